"""From checked requests to scores and decisions. Knows neither HTTP nor Ray."""
