"""Rows to learn from: what a service is trained on, its labels, and how time is divided."""
