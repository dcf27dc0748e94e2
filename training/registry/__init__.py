"""MLflow as a mirror of the models on disk: a run and a registered version for each training, and the same aliases."""
