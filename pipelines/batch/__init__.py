"""The batch engine: Spark runs the columnar meaning over the event lake."""
