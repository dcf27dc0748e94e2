"""The columnar meaning: one pass over an entity's change points, with state a pane and entity, compiled by Numba."""
