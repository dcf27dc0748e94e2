"""Connects to DynamoDB as `feature_store.yaml` describes it, and says in one kind of error that it does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from stores.online import OnlineStoreUnavailable

Client = Any
"""A botocore client of DynamoDB, whose methods are made at run time; thread-safe."""

_PASSING: Final = {
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
    "TransactionInProgressException",
}
"""Refusals that may be over the next time."""


@dataclass(frozen=True, slots=True)
class DynamoSettings:
    """What `feature_store.yaml` says of DynamoDB, as plain data; the fields are called as Feast calls them.

    Attributes:
        region: The AWS region; None for that of the environment.
        endpoint_url: The server, where it is not Amazon's own.
        table_name_template: The name of a view's table, of `{project}` and `{table_name}`.
        consistent_reads: Whether a read sees every write before it, at twice the price.
        connect_timeout: Seconds until connecting is given up; None for the store's own.
        read_timeout: Seconds until an answer is given up; None for the store's own.
        total_max_retry_attempts: How often a request is sent, the first time included.
        max_pool_connections: How many requests are under way at a time, at most.
    """

    region: str | None = None
    endpoint_url: str | None = None
    table_name_template: str = "{project}.{table_name}"
    consistent_reads: bool = False
    connect_timeout: float | None = None
    read_timeout: float | None = None
    total_max_retry_attempts: int = 3
    max_pool_connections: int = 16

    def table_name(self, project: str, name: str) -> str:
        """Return the name of a table."""
        return self.table_name_template.format(project=project, table_name=name)


def connect(settings: DynamoSettings, timeout_s: float | None = None) -> Client:
    """Return a client; nothing is sent yet.

    Credentials come from the environment, a role or a profile, as everywhere in AWS.

    Args:
        settings: The settings.
        timeout_s: How long connecting, and how long an answer, may take where they do not say; None for 2 s and 10 s.

    Raises:
        OnlineStoreUnavailable: No region is known, or the credentials cannot be read.
    """
    from boto3.session import Session
    from botocore.config import Config

    config = Config(
        connect_timeout=settings.connect_timeout or timeout_s or 2.0,
        read_timeout=settings.read_timeout or timeout_s or 10.0,
        max_pool_connections=settings.max_pool_connections,
        parameter_validation=False,  # items are made by this room; looking at each of their values costs as much as signing
        retries={"total_max_attempts": settings.total_max_retry_attempts, "mode": "standard"},
    )
    try:
        return Session().client(
            "dynamodb", region_name=settings.region, endpoint_url=settings.endpoint_url, config=config
        )
    except BotoCoreError as error:
        raise unavailable(settings.endpoint_url or "AWS", error) from error


@contextmanager
def answered(client: Client) -> Iterator[None]:
    """Turn what botocore raises when DynamoDB is away or busy into the store's own error; let other refusals through.

    Raises:
        OnlineStoreUnavailable: DynamoDB does not answer, cannot now, or has no such table.
    """
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ResourceNotFoundException":
            raise OnlineStoreUnavailable(
                f"DynamoDB at {client.meta.endpoint_url} lacks a view's table ({error}); run `make apply`, which creates it"
            ) from error
        if code not in _PASSING:
            raise
        raise unavailable(client.meta.endpoint_url, error) from error
    except BotoCoreError as error:
        raise unavailable(client.meta.endpoint_url, error) from error


def unavailable(address: str, reason: object) -> OnlineStoreUnavailable:
    """Return the error for a DynamoDB that does not answer."""
    return OnlineStoreUnavailable(
        f"DynamoDB at {address} does not answer ({reason}); set region or endpoint_url of the online store in "
        "feature_store.yaml, and AWS credentials in the environment"
    )
