"""What the days of a table say of each other: gaps, counts, repeats, units, columns that no longer vary."""
