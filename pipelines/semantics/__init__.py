"""The meaning of features: windows, aggregators, change points, and the reference that judges engines."""
