"""What was served and what came of it, appended to Parquet files while requests go on."""
