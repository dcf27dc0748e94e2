"""Card transactions for the shipped example: a seeded world, the event lake it fills, and a reader of users' files."""
