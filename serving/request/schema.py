"""What a scoring request must contain, and how it is checked.

A request is a JSON object with one value per field. Fields the service does not know are ignored, so that a caller can
send the whole event. `event_timestamp` is optional everywhere: left out, it is the time of arrival.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from contract.label import ServiceError
from contract.service import EVENT_TIMESTAMP, Service
from serving.request.fields import TIMESTAMP_EXAMPLE, Converter, UnfitValueError, converter_for, describe, to_timestamp

INSTANCES = "instances"
CANDIDATES = "candidates"
EXPLAIN = "features"
CONTRIBUTIONS = "contributions"
RESERVED = (INSTANCES, CANDIDATES, EXPLAIN, CONTRIBUTIONS)
"""Keys of a request body that are not fields: instances of a batch, candidates of a ranking, whether to return features, and
how much each moved the score."""

Row = tuple[object, ...]
"""One checked request: the event timestamp (UTC microseconds), then the values in the order of the schema's fields."""


class RequestError(ValueError):
    """A request that cannot be scored: which field, and what to write instead.

    Attributes:
        field: The field's name, in a batch as `instances[3].amount`; None when the whole body is meant.
        message: What was given and what is expected.
    """

    def __init__(self, field_name: str | None, message: str) -> None:
        super().__init__(f"{field_name}: {message}" if field_name else message)
        self.field = field_name
        self.message = message


@dataclass(frozen=True, slots=True)
class RequestField:
    """One value a caller must send.

    Attributes:
        name: The field's name in the JSON object.
        kind: Its type: int64, int32, float64, float32, string, bool, timestamp, or a list of one (`int64[]`).
        is_key: Whether it is an entity's join key; else it is request data of an on-demand view.
    """

    name: str
    kind: str
    is_key: bool


@dataclass(frozen=True, slots=True)
class RequestSchema:
    """The request of one feature service.

    Attributes:
        fields: What the caller sends, join keys first; without the event timestamp.
        fills: Request data that is not asked for: (its name, the request field or `event_timestamp` that fills it).
    """

    fields: tuple[RequestField, ...]
    fills: tuple[tuple[str, str], ...] = ()
    _converters: tuple[tuple[str, str, Converter], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        converters: list[tuple[str, str, Converter]] = []
        for one in self.fields:
            converter = converter_for(one.kind)
            if converter is None:
                raise ValueError(f"{one.name}: {one.kind} cannot be sent as JSON; declare a number, string or boolean.")
            converters.append((one.name, one.kind, converter))
        object.__setattr__(self, "_converters", tuple(converters))

    def parse_one(self, body: object, now_us: int, at: str = "") -> Row:
        """Check one request object.

        Args:
            body: The parsed JSON.
            now_us: The time of arrival, UTC microseconds: the event timestamp of a request that has none.
            at: What to put before a field's name in an error, such as `instances[3].`.

        Raises:
            RequestError: A field is missing or does not fit.
        """
        if type(body) is not dict:
            raise RequestError(at.rstrip(".") or None, f"expected a JSON object, got {describe(body)}")
        given = body.get(EVENT_TIMESTAMP)
        name = EVENT_TIMESTAMP
        try:
            values: list[object] = [now_us if given is None else to_timestamp(given)]
            for name, _, convert in self._converters:
                values.append(convert(body[name]))
        except KeyError:
            expected = next(kind for known, kind, _ in self._converters if known == name)
            raise RequestError(at + name, f"is missing; expected {_expectation(expected)}") from None
        except UnfitValueError as error:
            raise RequestError(at + name, str(error)) from None
        return tuple(values)

    def parse(self, body: object, now_us: int, most: int) -> tuple[list[Row], bool]:
        """Check a request or a batch `{"instances": [...]}`; return the rows and whether it was a batch.

        Args:
            body: The parsed JSON.
            now_us: The time of arrival, UTC microseconds.
            most: How many instances a batch may hold.

        Raises:
            RequestError: A field is missing or does not fit, or the batch is empty or too long.
        """
        if type(body) is not dict or INSTANCES not in body:
            return [self.parse_one(body, now_us)], False
        instances = _list_of_objects(body, INSTANCES, most)
        return [self.parse_one(one, now_us, f"{INSTANCES}[{i}].") for i, one in enumerate(instances)], True

    def parse_candidates(self, body: object, now_us: int, most: int) -> list[Row]:
        """Check a ranking's request `{..., "candidates": [...]}`: fields beside the list are shared, a candidate's own win.

        Raises:
            RequestError: A field is missing or does not fit, or the list is absent, empty or too long.
        """
        if type(body) is not dict:
            raise RequestError(None, f"expected a JSON object, got {describe(body)}")
        shared = {name: value for name, value in body.items() if name != CANDIDATES}
        rows = []
        for position, one in enumerate(_list_of_objects(body, CANDIDATES, most)):
            at = f"{CANDIDATES}[{position}]."
            if type(one) is not dict:
                raise RequestError(at.rstrip("."), f"expected a JSON object, got {describe(one)}")
            rows.append(self.parse_one({**shared, **one}, now_us, at))
        return rows

    @staticmethod
    def asks_for(body: object, name: str) -> bool:
        """Tell whether the request asks for its features (`EXPLAIN`), or for their contributions.

        Raises:
            RequestError: What it says is neither true nor false.
        """
        asked = body.get(name, False) if isinstance(body, dict) else False
        if not isinstance(asked, bool):
            raise RequestError(name, f"expected true or false, got {describe(asked)}")
        return asked

    def describe(self) -> list[dict[str, object]]:
        """List the fields as JSON for people and clients."""
        fields: list[dict[str, object]] = [
            {"name": one.name, "type": one.kind, "required": True, "role": "join key" if one.is_key else "request data"}
            for one in self.fields
        ]
        return [*fields, {"name": EVENT_TIMESTAMP, "type": "timestamp", "required": False, "role": "event timestamp"}]


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
        if converter_for(kind) is None:
            raise ServiceError(
                f"{service.name}: {name} cannot be sent as JSON; declare it as a number, string or boolean."
            )
    fields = [RequestField(name, kind, is_key=True) for name, kind in keys.items()]
    fields += [RequestField(name, kind, is_key=False) for name, kind in asked.items()]
    return RequestSchema(tuple(fields), tuple(fills.items()))


def _list_of_objects(body: dict[str, object], name: str, most: int) -> list[object]:
    given = body.get(name)
    if type(given) is not list or not given:
        got = "an empty list" if given == [] else "nothing" if name not in body else describe(given)
        raise RequestError(name, f"expected a list of at least one object, got {got}")
    if len(given) > most:
        raise RequestError(name, f"expected at most {most} objects, got {len(given)}; send several")
    return given


def _expectation(kind: str) -> str:
    return f'a {kind} such as "{TIMESTAMP_EXAMPLE}"' if kind == "timestamp" else f"a value of type {kind}"
