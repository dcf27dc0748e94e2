"""What this team knows of its events beyond their tags; `.feastignore` keeps it out of `feast apply`."""

import great_expectations.expectations as gxe

EXPECTATIONS = {
    "outcomes": [gxe.ExpectColumnMeanToBeBetween(column="clicked", min_value=0.01, max_value=0.9, severity="warning")],
}
