"""Data validation: suites derived from declarations, gates that stop bad data, and pages that show what was checked."""
