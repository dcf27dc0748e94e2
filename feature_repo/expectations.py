"""What this team knows of its events beyond their schema; `.feastignore` keeps it out of `feast apply`."""

import great_expectations.expectations as gxe

_LARGEST_AMOUNT = 100_000

EXPECTATIONS = {
    "transactions": [
        gxe.ExpectColumnValuesToBeBetween(column="amount", min_value=0, max_value=_LARGEST_AMOUNT),
        gxe.ExpectColumnValuesToNotBeNull(column="amount"),
    ],
    "fraud_labels": [
        gxe.ExpectColumnValuesToBeBetween(column="amount", min_value=0, max_value=_LARGEST_AMOUNT),
        gxe.ExpectColumnValuesToBeInSet(column="is_fraud", value_set=[0, 1]),
        gxe.ExpectColumnValuesToNotBeNull(column="is_fraud"),
    ],
}
