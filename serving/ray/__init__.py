"""Ray Serve: replicas, the ingress, start and end."""
