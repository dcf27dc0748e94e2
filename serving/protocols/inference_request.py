"""Reads an inference request of the Open Inference Protocol: its tensors become the rows that `/v1/score` would take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from contract.service import EVENT_TIMESTAMP
from serving.protocols.request import parse_json
from serving.protocols.tensors import read_tensor
from serving.request.fields import describe
from serving.request.schema import RequestError, RequestSchema, Row

BINARY_SIZE: Final = "binary_data_size"


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """A checked request.

    Attributes:
        id: The caller's own; None for none.
        rows: What is scored.
        outputs: Which outputs are wanted, each with whether as bytes, where it is said; None for all.
        is_binary: Whether outputs that do not say are wanted as bytes.
    """

    id: str | None
    rows: list[Row]
    outputs: dict[str, bool | None] | None
    is_binary: bool


def read_inference(
    body: bytes, json_size: int | None, schema: RequestSchema, now_us: int, most: int
) -> InferenceRequest:
    """Read a request.

    Args:
        body: All of it.
        json_size: How many bytes of it are JSON, where tensors follow as bytes; None for all.
        schema: What the service needs.
        now_us: The time of arrival, UTC microseconds.
        most: How many rows it may have.

    Raises:
        AnswerError: It is not JSON.
        RequestError: Something does not fit.
    """
    given = parse_json(body if json_size is None else body[:json_size])
    if type(given) is not dict:
        raise RequestError(None, f"expected a JSON object, got {describe(given)}")
    name = given.get("id")
    if name is not None and type(name) is not str:
        raise RequestError("id", f"expected a string, got {describe(name)}")
    is_binary = _flag(_parameters(given, "the request"), "binary_data_output") or False
    columns = _read_inputs(given, b"" if json_size is None else body[json_size:], schema, most)
    sizes = {name: len(values) for name, values in columns.items()}
    rows = next(iter(sizes.values()))
    for one, size in sizes.items():
        if size != rows:
            raise RequestError("inputs", f"{one} has {size} rows, others have {rows}; send one value a row")
    checked = [
        schema.parse_one({name: values[row] for name, values in columns.items()}, now_us, f"row {row}: ")
        for row in range(rows)
    ]
    return InferenceRequest(name, checked, _read_outputs(given), is_binary)


def _read_inputs(given: dict[str, Any], raw: bytes, schema: RequestSchema, most: int) -> dict[str, list[Any]]:
    inputs = _objects(given, "inputs")
    kinds = {one.name: one.kind for one in schema.fields} | {EVENT_TIMESTAMP: "timestamp"}
    columns: dict[str, list[Any]] = {}
    position = 0
    for index, tensor in enumerate(inputs):
        at, name = f"inputs[{index}]", tensor.get("name")
        if type(name) is not str or name not in kinds:
            raise RequestError(
                f"{at}.name",
                f"expected one of {', '.join(kinds)}, got {describe(name)}; the model's own columns are looked up, not sent",
            )
        if name in columns:
            raise RequestError(f"{at}.name", f"{name} is sent twice; send it once")
        size = _parameters(tensor, at).get(BINARY_SIZE)
        part: bytes | None = None
        if size is not None:
            if type(size) is not int or not 0 <= size <= len(raw) - position:
                raise RequestError(
                    f"{at}.parameters", f"{BINARY_SIZE} does not fit the body; its bytes follow the JSON"
                )
            part, position = raw[position : position + size], position + size
        columns[name] = read_tensor(tensor, kinds[name], part, at, most)
    if position != len(raw):
        raise RequestError(None, f"{len(raw) - position} bytes follow the JSON that no input says are its own")
    absent = [one.name for one in schema.fields if one.name not in columns]
    if absent:
        raise RequestError("inputs", f"{', '.join(absent)} missing; send a tensor for each")
    return columns


def _read_outputs(given: dict[str, Any]) -> dict[str, bool | None] | None:
    if given.get("outputs") is None:
        return None
    wanted: dict[str, bool | None] = {}
    for index, one in enumerate(_objects(given, "outputs")):
        name = one.get("name")
        if type(name) is not str:
            raise RequestError(f"outputs[{index}].name", f"expected a string, got {describe(name)}")
        wanted[name] = _flag(_parameters(one, f"outputs[{index}]"), "binary_data")
    return wanted


def _objects(given: dict[str, Any], name: str) -> Sequence[dict[str, Any]]:
    found = given.get(name)
    if type(found) is not list or not found or not all(type(one) is dict for one in found):
        raise RequestError(name, f"expected a list of at least one object, got {describe(found)}")
    return found


def _parameters(given: dict[str, Any], at: str) -> dict[str, Any]:
    found = given.get("parameters")
    if found is None:
        return {}
    if type(found) is not dict:
        raise RequestError(at, f"parameters: expected an object, got {describe(found)}")
    return found


def _flag(parameters: dict[str, Any], name: str) -> bool | None:
    value = parameters.get(name)
    if value is not None and type(value) is not bool:
        raise RequestError(f"parameters.{name}", f"expected true or false, got {describe(value)}")
    return value
