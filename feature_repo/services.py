"""What a model sees: a small first version, and a fuller challenger."""

from feast import FeatureService

from customer_views import customer_sequence, customer_session, customer_velocity
from on_demand_views import against_last_purchases, amount_against_habit, transaction_context
from profile_views import customer_profile
from terminal_views import terminal_risk, terminal_velocity

TAGS = {
    "millrace.label": "fraud_labels_lake:is_fraud",
    "millrace.decides_on": "transactions",
    "millrace.drop_known": "customer_id",
}

fraud_v1 = FeatureService(
    name="fraud_v1",
    description="Amount, velocity and terminal risk.",
    features=[
        transaction_context,
        customer_velocity[["amount_count_24h", "amount_mean_24h"]],
        customer_profile[["amount_count_7d", "amount_mean_7d", "amount_count_30d", "amount_mean_30d"]],
        terminal_risk,
    ],
    tags=TAGS,
)

fraud_v2 = FeatureService(
    name="fraud_v2",
    description="All that is known of the customer and the terminal.",
    features=[
        transaction_context,
        amount_against_habit,
        against_last_purchases,
        customer_velocity,
        customer_sequence[["terminals_24h"]],
        customer_session,
        customer_profile,
        terminal_velocity,
        terminal_risk,
    ],
    tags=TAGS,
)
