"""Point-in-time joins and rows of feature logs, by Spark."""
