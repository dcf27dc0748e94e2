"""Requests drawn from the OpenAPI document by schemathesis, right ones and wrong ones: no 5xx, and nothing that is not described.

`FUZZ=2000` in the environment draws as many of each kind for each operation.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from serving.protocols.http import HttpApp

Call = Callable[..., httpx.Response]

NOT_HELD = [
    positive_data_acceptance,  # to JSON schema 1.0 is an integer, here it is a slip
    negative_data_rejection,  # what a candidate has of its own is taken, whatever the shared field of that name is
]

EXAMPLES = int(os.environ.get("FUZZ", settings.default.max_examples // 8))  # type: ignore[union-attr]
TOKENS = [
    *(
        b"null",
        b"true",
        b"{}",
        b"[]",
        b'""',
        b"1.0",
        b"-0",
        b"1e999",
        b"9" * 400,
        b"-9223372036854775809",
        b"18446744073709551616",
    ),
    *(b"NaN", b"Infinity", b'"\\ud800"', b'"\\u0000"', b'"9999-12-31T23:59:59-14:00"', b'"0001-01-01T00:00:00+14:00"'),
    *(
        b"[" * 300,
        b"[" * 200 + b"]" * 200,
        b'{"a":' * 300,
        b"\xff",
        b"\x00",
        b",",
        b'"',
        b":",
        b"",
        b"1" * 20_000,
        b'"' + b"a" * 20_000 + b'"',
    ),
]
"""What is put in the place of some bytes of a body."""

SAME = re.compile(r"^/v1/(score|outcomes)$|/versions/|/v1/outcomes/rank_v1|/v2/models/rank_v1")
"""Paths of what another path does as well; they are left out where few requests are drawn."""


@pytest.fixture(scope="module")
def send(whole_app: HttpApp, caller: Callable[[Any], Call]) -> Call:
    return caller(whole_app)


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> list[Any]:
    return [one.ok() for one in schemathesis.openapi.from_dict(document).get_all_operations()]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
def test_answers_are_those_that_are_described(operations: list[Any], send: Call, mode: GenerationMode) -> None:
    drawn = [one for one in operations if one.body and ("FUZZ" in os.environ or not SAME.search(one.path))]
    seen: dict[int, int] = {}

    @settings(max_examples=EXAMPLES * len(drawn), suppress_health_check=list(HealthCheck))
    @given(case=st.one_of([one.as_strategy(generation_mode=mode) for one in drawn]))
    def check(case: schemathesis.Case) -> None:
        sent = case.as_transport_kwargs(base_url="http://test")
        body = {"json": sent["json"]} if "json" in sent else {"content": sent.get("data") or b""}
        headers = {**dict(sent["headers"]), "content-type": "application/json"}
        answer = send(sent["method"], sent["url"], headers=headers, params=sent.get("params"), **body)
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        case.validate_response(answer, excluded_checks=NOT_HELD)

    check()
    assert len(drawn) >= 6
    if mode is GenerationMode.POSITIVE:
        assert seen[200] + seen.get(202, 0) > EXAMPLES
    else:
        assert seen[422] > EXAMPLES


def test_what_takes_no_body_answers_as_described(operations: list[Any], send: Call) -> None:
    plain = [one for one in operations if not one.body]
    for one in plain:
        case = one.Case(method=one.method.upper())
        case.validate_response(send(case.method, one.path), excluded_checks=NOT_HELD)
    assert len(plain) >= 12


def test_damaged_requests_get_an_answer_that_is_described(operations: list[Any], send: Call) -> None:
    examples = {
        one.path: one.body[0].definition["example"]
        for one in operations
        if one.body and "example" in one.body[0].definition
    }
    bodies = {path: orjson.dumps(body) for path, body in examples.items()}
    statuses = {one.path: set(one.definition.raw["responses"]) for one in operations}
    seen: set[int] = set()

    @settings(max_examples=EXAMPLES * 20, suppress_health_check=list(HealthCheck))
    @given(
        path=st.sampled_from(sorted(bodies)),
        damages=st.lists(
            st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(TOKENS)), min_size=1, max_size=3
        ),
        headers=st.fixed_dictionaries(
            {"content-type": st.sampled_from(["application/json", "text/plain", ""])},
            optional={
                "content-encoding": st.sampled_from(["gzip", "deflate", "br", "gzip, gzip", "identity"]),
                "inference-header-content-length": st.sampled_from(["0", "-1", "5", "99999999999999999999", "x"]),
                "x-request-timeout-seconds": st.sampled_from(["0", "-1", "nan", "1e-9", "inf", "soon"]),
                "idempotency-key": st.sampled_from(["a", "b" * 300, ""]),
            },
        ),
    )
    def check(path: str, damages: list[tuple[float, int, bytes]], headers: dict[str, str]) -> None:
        body = bodies[path]
        for at, size, token in damages:
            start = int(at * len(body))
            body = body[:start] + token + body[start + size :]
        answer = send("POST", path, content=body, headers=headers)
        assert answer.status_code < 500, answer.text
        assert str(answer.status_code) in statuses[path], answer.text
        seen.add(answer.status_code)

    check()
    assert {400, 415, 422} <= seen
