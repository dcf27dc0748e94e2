"""Trains a model on a feature service: point-in-time training set, temporal split, metrics, report, model file."""
