"""Counts what the service does, in plain numbers, and shows the sum over the replicas of a machine."""
