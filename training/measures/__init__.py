"""What is measured of scores, for each kind of model."""
