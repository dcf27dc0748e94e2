"""Whether a training set knows what it is to predict: features, labels and rows that say too much."""
