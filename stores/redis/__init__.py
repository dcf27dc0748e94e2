"""The hot online store: Redis, read and written in bulk."""
