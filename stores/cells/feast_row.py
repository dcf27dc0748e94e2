"""A row as Feast hands it to an online store: protobuf messages, with a dictionary of values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from contract.service import NO_ENTITY
from stores.cells.column import EPOCH

if TYPE_CHECKING:
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

FeastRow = tuple["EntityKey", "dict[str, Value]", datetime, datetime | None]
"""Entity key, values by feature, event time (UTC if it has no zone), created time."""

_MICROSECOND = timedelta(microseconds=1)


def micros_of(when: Any) -> int:
    """Return a time in microseconds since the epoch, UTC; one without a zone is taken as UTC."""
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return (aware - EPOCH) // _MICROSECOND


def whole_key(entity_key: EntityKey) -> EntityKey:
    """Return the key under which a row is read: Feast's own push and write lose that of a view without entities."""
    if entity_key.join_keys:
        return entity_key
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey as Key
    from feast.protos.feast.types.Value_pb2 import Value

    return Key(join_keys=[NO_ENTITY], entity_values=[Value(string_val="")])
