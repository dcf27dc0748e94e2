"""Feast plug-ins: a fast Redis online store and a point-in-time (ASOF) offline store."""
