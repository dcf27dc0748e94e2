"""What `pipelines.testing` is made of: small tables, values by the reference, the message when they differ."""
