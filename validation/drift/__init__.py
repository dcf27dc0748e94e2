"""Drift: whether what is served is distributed as what the model was trained on."""
