"""What a declaration says: tags, durations, types, services, the model file. Knows Feast, and nothing else of Millrace."""
