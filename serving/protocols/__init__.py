"""The protocols that the service speaks over HTTP."""
