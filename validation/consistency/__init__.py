"""Values of one store held against those of another."""
