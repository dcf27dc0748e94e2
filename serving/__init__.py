"""Serves a feature service and its model over HTTP: request in, score and decision out."""
