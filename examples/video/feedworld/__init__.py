"""A simulated feed with a known truth: who likes what, and how much of it a model could learn."""
