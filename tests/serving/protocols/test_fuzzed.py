"""Requests drawn from the OpenAPI document by schemathesis, right ones and wrong ones: no 5xx, and nothing that is not described.

`FUZZ=2000` in the environment draws as many of each kind for each operation.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import httpx
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


@pytest.fixture(scope="module")
def send(whole_app: HttpApp, caller: Callable[[Any], Call]) -> Call:
    return caller(whole_app)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
def test_answers_are_those_that_are_described(document: dict[str, Any], send: Call, mode: GenerationMode) -> None:
    operations = [one.ok() for one in schemathesis.openapi.from_dict(document).get_all_operations()]
    if mode is GenerationMode.NEGATIVE:
        operations = [one for one in operations if one.body]
    seen: dict[int, int] = {}

    @settings(max_examples=EXAMPLES * len(operations), suppress_health_check=list(HealthCheck))
    @given(case=st.one_of([one.as_strategy(generation_mode=mode) for one in operations]))
    def check(case: schemathesis.Case) -> None:
        sent = case.as_transport_kwargs(base_url="http://test")
        body = {"json": sent["json"]} if "json" in sent else {"content": sent.get("data") or b""}
        headers = {**dict(sent["headers"]), "content-type": "application/json"}
        answer = send(sent["method"], sent["url"], headers=headers, params=sent.get("params"), **body)
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        case.validate_response(answer, excluded_checks=NOT_HELD)

    check()
    assert len(operations) >= 3
    assert seen.get(200 if mode is GenerationMode.POSITIVE else 422, 0) > EXAMPLES
