"""What this team knows of its events beyond their schema; `.feastignore` keeps it out of `feast apply`."""

import great_expectations.expectations as gxe

EXPECTATIONS = {
    "impressions": [gxe.ExpectColumnValuesToBeBetween(column="position", min_value=0, max_value=50)],
    "watches": [gxe.ExpectColumnValuesToBeBetween(column="seconds", min_value=0, max_value=7200)],
}
