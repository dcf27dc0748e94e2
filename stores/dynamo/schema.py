"""Creates and drops the tables, as Feast does: a text key `entity_id`, paid by request."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from botocore.exceptions import WaiterError

from stores.dynamo.connection import Client, answered, unavailable


def create_table(client: Client, table: str, tags: Mapping[str, str] | None = None) -> None:
    """Create a table unless it is there, and wait until it can be used.

    One that is there is left as it is, tags too: it may be somebody else's to manage, and creating not allowed.

    Raises:
        OnlineStoreUnavailable: DynamoDB does not answer, or the table is not ready in time.
    """
    with answered(client):
        try:
            status = client.describe_table(TableName=table)["Table"]["TableStatus"]
        except client.exceptions.ResourceNotFoundException:
            status = ""
            labels = [{"Key": key, "Value": value} for key, value in (tags or {}).items()]
            with suppress(client.exceptions.ResourceInUseException):  # another made it meanwhile
                client.create_table(
                    TableName=table,
                    KeySchema=[{"AttributeName": "entity_id", "KeyType": "HASH"}],
                    AttributeDefinitions=[{"AttributeName": "entity_id", "AttributeType": "S"}],
                    BillingMode="PAY_PER_REQUEST",
                    **({"Tags": labels} if labels else {}),
                )
        if status != "ACTIVE":
            try:
                client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
            except WaiterError as error:
                raise unavailable(client.meta.endpoint_url, error) from error


def drop_table(client: Client, table: str) -> None:
    """Drop a table, with all that it holds; one that is not there is no error.

    Raises:
        OnlineStoreUnavailable: DynamoDB does not answer.
    """
    with answered(client):
        try:
            client.delete_table(TableName=table)
        except client.exceptions.ResourceNotFoundException:
            return
