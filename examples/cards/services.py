"""What a model sees: the amount and a terminal's outcomes against weeks and months of history."""

from feast import FeatureService

from customer_views import customer_habit
from on_demand_views import against_long_habit, since_outcomes, transaction_context
from terminal_views import OUTCOMES, terminal_outcomes

fraud_v3 = FeatureService(
    name="fraud_v3",
    description="Whether a payment is a fraud. Gains from long training: HISTORY=1.",
    features=[
        transaction_context,
        against_long_habit,
        since_outcomes,
        customer_habit[["amount_count_90d"]],
        terminal_outcomes[
            ["last_outcome"] + [f"{what}_{label}" for label in OUTCOMES for what in ("transactions", "frauds")]
        ],
    ],
    tags={
        "millrace.label": "fraud_labels_lake:is_fraud",
        "millrace.decides_on": "transactions",
        "millrace.drop_known": "customer_id",
        "millrace.costs": "missed=amount alert=5",
        "millrace.segments": "amount",
    },
)
