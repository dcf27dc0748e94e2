"""The stored features of one entity as they are now, with the time each row is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from contract.service import Service
from serving.request.fields import UnfitValueError, converter_for
from serving.request.schema import RequestError
from serving.scoring.lookup import REASONS, Lookup
from serving.scoring.scorer import iso_timestamp
from stores.cells.reading import Status, ViewReading

MICROSECONDS = 1_000_000


def read_entity(service: Service, lookup: Lookup, given: Mapping[str, str], now_us: int) -> dict[str, Any]:
    """Read the views whose join keys are all given; the others are named as left out.

    Args:
        service: Whose views.
        lookup: Where they are.
        given: Join keys as text.
        now_us: The time of asking, UTC microseconds.

    Raises:
        RequestError: A key is unknown, not of its type, or no view has only keys that are given.
        OnlineStoreUnavailable: The store does not answer.
    """
    kinds = dict(service.keys)
    unknown = [name for name in given if name not in kinds]
    if unknown:
        raise RequestError(unknown[0], f"is no join key of {service.name}; its keys are {', '.join(kinds)}")
    keys = {name: _parse(name, kinds[name], text) for name, text in given.items()}
    wanted = [view for view in service.stored if all(column in keys for _, column, _ in view.keys)]
    if not wanted:
        raise RequestError(
            None, f"give join keys as parameters, such as ?{next(iter(kinds), 'key')}=1; there are {', '.join(kinds)}"
        )
    found = lookup.read({name: [keys.get(name)] for name in kinds}, np.array([now_us], dtype=np.int64))
    return {
        "service": service.name,
        "at": iso_timestamp(now_us),
        "views": [
            {"view": view.alias, "keys": [column for _, column, _ in view.keys], **_row(found[view.alias], now_us)}
            for view in wanted
        ],
        "left_out": [
            {"view": view.alias, "keys": [column for _, column, _ in view.keys]}
            for view in service.stored
            if view not in wanted
        ],
    }


def _parse(name: str, kind: str, text: str) -> object:
    convert = converter_for(kind)
    if convert is None:
        raise RequestError(name, f"is of type {kind}, which cannot be given here")
    value: object = text
    if kind not in ("string", "timestamp"):
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            value = text
    try:
        parsed = convert(value)
    except UnfitValueError as error:
        raise RequestError(name, str(error)) from None
    return parsed // MICROSECONDS if kind == "timestamp" and isinstance(parsed, int) else parsed


def _row(reading: ViewReading, now_us: int) -> dict[str, Any]:
    status, at = int(reading.row_status[0]), int(reading.event_timestamp_us[0])
    is_there = status in (Status.PRESENT, Status.STALE, Status.OUTSIDE_MAX_AGE)
    return {
        "status": _named(status),
        "event_timestamp": iso_timestamp(at) if is_there else None,
        "age_seconds": (now_us - at) / MICROSECONDS if is_there else None,
        "features": [
            {
                "name": name,
                "value": column.as_json(0),
                "status": _named(status if column.status is None else int(column.status[0])),
            }
            for name, column in reading.columns.items()
        ],
    }


def _named(status: int) -> str:
    return {int(Status.PRESENT): "present", int(Status.STALE): "stale"}.get(status) or REASONS[status]
