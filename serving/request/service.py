"""The request of a feature service: which fields a caller sends, and which are filled from them."""

from __future__ import annotations

from contract.label import ServiceError
from contract.service import EVENT_TIMESTAMP, Service
from contract.types import UNSUPPORTED
from serving.request.schema import RESERVED, RequestField, RequestSchema


def request_schema(service: Service) -> RequestSchema:
    """Return what a request must contain: the entity columns, and the request data that nothing fills.

    Raises:
        ServiceError: A field has a name that a request gives a meaning of its own, or a type that JSON does not have.
    """
    keys = dict(service.keys)
    asked: dict[str, str] = {}
    fills: dict[str, str] = {}
    for one in service.request:
        filled_by = EVENT_TIMESTAMP if one.name == EVENT_TIMESTAMP else one.filled_by
        if filled_by:
            fills[one.name] = filled_by
        if (filled_by or one.name) not in keys and filled_by != EVENT_TIMESTAMP:
            asked[filled_by or one.name] = one.kind
    for name, kind in {**keys, **asked}.items():
        if name in RESERVED:
            raise ServiceError(
                f"{service.name}: {name} has a meaning of its own in a request; name the field otherwise."
            )
        if kind in (UNSUPPORTED, "bytes", "bytes[]"):
            raise ServiceError(
                f"{service.name}: {name} cannot be sent as JSON; declare it as a number, string or boolean."
            )
    fields = [RequestField(name, kind, is_key=True) for name, kind in keys.items()]
    fields += [RequestField(name, kind, is_key=False) for name, kind in asked.items()]
    return RequestSchema(tuple(fields), tuple(fills.items()))
