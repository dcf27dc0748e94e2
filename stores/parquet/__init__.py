"""Feature logs in Parquet, and point-in-time joins over them."""
