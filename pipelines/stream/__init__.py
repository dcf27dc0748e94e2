"""The stream engine: Bytewax carries events from the broker to the online store."""
