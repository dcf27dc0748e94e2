"""Builds the answer of `get_online_features` from stored bytes.

Redis holds serialized `Value` messages, and a `FeatureVector` is a list of them: the answer is put together from the
bytes and parsed once, instead of one Python object per cell. Field numbers: feast/serving/ServingService.proto.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stores.cells.reading import Status
from stores.cells.timestamps import NO_TIMESTAMP, decode_timestamps
from stores.cells.varint import varint

if TYPE_CHECKING:
    from feast import FeatureView
    from feast.protos.feast.serving.ServingService_pb2 import GetOnlineFeaturesResponse

_VALUES, _STATUSES, _TIMES, _RESULTS = b"\x0a", b"\x12", b"\x1a", b"\x12"

_SHORT = [_VALUES + bytes((length,)) for length in range(0x80)]
"""What stands before a value, by its length."""

Row = tuple[bytes | None, ...] | list[bytes | None]


def row_statuses(stamps: Sequence[bytes | None], ttl_us: int, as_of_us: int | None) -> list[int]:
    """Return PRESENT, NOT_FOUND or OUTSIDE_MAX_AGE for each row (rule 9: a row holds while `time >= as_of - ttl`).

    Args:
        stamps: Serialized event times, None where there is no row.
        ttl_us: The view's ttl, microseconds; 0 for ever.
        as_of_us: The time of the read, microseconds UTC; None applies no ttl.
    """
    if not ttl_us or as_of_us is None:
        return [Status.NOT_FOUND if stamp is None else Status.PRESENT for stamp in stamps]
    oldest = as_of_us - ttl_us
    return [
        Status.NOT_FOUND if micros == NO_TIMESTAMP else Status.PRESENT if micros >= oldest else Status.OUTSIDE_MAX_AGE
        for micros in decode_timestamps(stamps).tolist()
    ]


def append_names(
    response: GetOnlineFeaturesResponse,
    table: FeatureView,
    features: Sequence[str],
    full_feature_names: bool,
    with_version: bool,
) -> None:
    """Append a view's feature names to a response's metadata, and its version if asked, as Feast does."""
    projection: Any = table.projection
    prefix = f"{projection.name_to_use()}__" if full_feature_names else ""
    response.metadata.feature_names.val.extend([prefix + feature for feature in features])
    name = projection.name_alias or projection.name
    if with_version and name not in [known.name for known in response.metadata.feature_view_metadata]:
        version = getattr(table, "current_version_number", 0) or 0
        response.metadata.feature_view_metadata.add(name=name, version=version)


def append_vectors(
    response: GetOnlineFeaturesResponse,
    rows: Sequence[Row],
    statuses: Sequence[int],
    positions: Sequence[int],
    absent: int = Status.NOT_FOUND,
    null: int = Status.NULL_VALUE,
) -> None:
    """Append one `FeatureVector` per feature to a response.

    Args:
        response: Gets the vectors; names and metadata are the caller's.
        rows: One per distinct entity: the cells of the features, then the event time.
        statuses: One per row, from `row_statuses`.
        positions: For each row of the response, the row to take.
        absent: The status of a feature that a row does not have.
        null: The status of a feature whose value is null.
    """
    if not positions:
        return
    columns = list(zip(*rows, strict=True))
    once = positions == list(range(len(rows)))
    stamps = [_field(_TIMES, stamp or b"") for stamp in columns.pop()]
    times = b"".join(stamps if once else [stamps[position] for position in positions])
    there = all(status == Status.PRESENT for status in statuses)
    all_there = _field(_STATUSES, bytes([Status.PRESENT]) * len(positions))
    vectors = []
    for cells in columns:
        codes = all_there
        if there and all(cells):
            values = [_SHORT[len(cell)] + cell if len(cell) < 0x80 else _field(_VALUES, cell) for cell in cells]
        else:
            values, states = _values_and_states(cells, statuses, absent, null)
            codes = _field(_STATUSES, bytes([states[position] for position in positions]))
        body = b"".join(values if once else [values[position] for position in positions])
        vectors.append(_field(_RESULTS, body + codes + times))
    response.MergeFromString(b"".join(vectors))


def _values_and_states(
    cells: Sequence[bytes | None], statuses: Sequence[int], absent: int, null: int
) -> tuple[list[bytes], list[int]]:
    values, states = [], []
    for cell, status in zip(cells, statuses, strict=True):
        if status != Status.PRESENT:
            values.append(b"\x0a\x00")
            states.append(status)
            continue
        values.append(_field(_VALUES, cell or b""))
        states.append(Status.PRESENT if cell else absent if cell is None else null)
    return values, states


def _field(tag: bytes, content: bytes) -> bytes:
    length = len(content)
    return tag + (bytes((length,)) if length < 0x80 else varint(length)) + content
