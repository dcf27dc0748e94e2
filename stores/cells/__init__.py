"""How values lie in an online store: Feast's bytes, encoded and decoded in bulk. Knows no client."""
