"""The tongues that the service speaks over HTTP."""
