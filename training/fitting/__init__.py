"""Models: fitted to a training set."""
