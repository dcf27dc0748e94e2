"""A page for people, and what it shows: features of an entity, recent decisions, how the stream is."""
