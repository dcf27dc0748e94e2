"""One aggregator a class: its obvious meaning over a list, and the same over many ranges of a column at once."""
