"""What the service says of itself is true: paths, fields, examples, errors."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from serving.protocols.http import HttpApp

Call = Callable[..., httpx.Response]
Document = dict[str, Any]


@pytest.fixture(scope="module")
def send(whole_app: HttpApp, caller: Callable[[Any], Call]) -> Call:
    return caller(whole_app)


def schemas(holder: object) -> Iterator[dict[str, Any]]:
    """Find every schema of a document."""
    if isinstance(holder, dict):
        if isinstance(holder.get("schema"), dict):
            yield holder["schema"]
        for one in holder.values():
            yield from schemas(one)


def test_every_route_is_described(document: Document, whole_app: HttpApp) -> None:
    paths = set(document["paths"])
    for pattern in whole_app.patterns:
        shape = re.compile(re.sub(r"\{\w+\}", "[^/]+", pattern))
        assert any(shape.fullmatch(path) for path in paths), f"{pattern} has no description: give its Route operations"


def test_document_is_openapi_3_1_with_schemas_of_draft_2020_12(document: Document) -> None:
    assert document["openapi"] == "3.1.0"
    assert len(list(schemas(document))) > 20
    for one in schemas(document):
        jsonschema.Draft202012Validator.check_schema(one)
    ids = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))


def test_fields_are_described_with_types_and_ranges(document: Document) -> None:
    one, many = document["paths"]["/v1/score"]["post"]["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    assert sorted(one["required"]) == ["ad_id", "bid", "slot", "user_id"]
    assert one["properties"]["ad_id"]["maximum"] == 2**63 - 1
    assert many["properties"]["instances"]["maxItems"] == 8
    ranking = document["paths"]["/v1/score/rank_v1"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert ranking["properties"]["candidates"]["maxItems"] == 8


def test_every_example_is_answered_as_described(document: Document, send: Call) -> None:
    tried = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            sent = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            if "example" not in sent:
                continue
            jsonschema.validate(sent["example"], sent["schema"])
            answer = send(method.upper(), path, json=sent["example"])
            assert answer.is_success, f"{path}: {answer.text}"
            jsonschema.validate(
                answer.json(), operation["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
            )
            tried += 1
    assert tried >= 8


def test_page_allows_its_own_script_and_nothing_else(send: Call) -> None:
    page = send("GET", "/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "script-src 'sha256-" in policy
    assert "unsafe" not in policy
    assert re.findall(r"""(?:src|href)\s*=|https?://|url\(|\son\w+=|style=""", page.text) == []


@pytest.mark.skipif(shutil.which("node") is None, reason="no node here to read the script with")
def test_script_of_the_page_is_javascript(send: Call, tmp_path: Path) -> None:
    script = re.search(r"<script>(.*)</script>", send("GET", "/docs").text, re.DOTALL)
    assert script
    (tmp_path / "page.js").write_text(script[1])
    subprocess.run(["node", "--check", tmp_path / "page.js"], check=True)
