"""`make run`: the whole loop on the shipped example, from events to served decisions."""
