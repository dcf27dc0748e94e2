"""Great Expectations in front of whatever stores or trains: suites, what they found, pages."""
