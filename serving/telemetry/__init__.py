"""What a replica tells of single requests: lines of JSON, and traces."""
