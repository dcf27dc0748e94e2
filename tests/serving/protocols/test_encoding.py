"""Bodies that are compressed, cut, endless, or nested without end."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable

import httpx
import pytest

from serving.protocols.answer import AnswerError
from serving.protocols.encoding import inflate

Call = Callable[..., httpx.Response]
PLAIN = b'{"a": 1}'


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        (b"gzip", gzip.compress(PLAIN)),
        (b" GZip ", gzip.compress(PLAIN)),
        (b"deflate", zlib.compress(PLAIN)),
        (b"identity", PLAIN),
        (b"", PLAIN),
    ],
    ids=["gzip", "spelled otherwise", "deflate", "identity", "none"],  # a compressed body has the time in it
)
def test_known_encodings_give_the_body(encoding: bytes, body: bytes) -> None:
    assert inflate(body, encoding, 8) == PLAIN


@pytest.mark.parametrize(
    ("encoding", "body", "status", "message"),
    [
        pytest.param(b"br", PLAIN, 415, "br is not known; send gzip, deflate or none", id="unknown"),
        pytest.param(b"gzip, gzip", gzip.compress(PLAIN), 415, "gzip, gzip is not known", id="twice"),
        pytest.param(b"gzip", PLAIN, 400, "the body is not gzip", id="not_it"),
        pytest.param(b"gzip", gzip.compress(PLAIN)[:-1], 400, "is cut", id="cut"),
        pytest.param(b"gzip", gzip.compress(PLAIN) * 2, 400, "goes on after its end", id="more"),
        pytest.param(b"gzip", gzip.compress(b" " * 1_000_000), 413, "more than 1000 bytes when inflated", id="bomb"),
    ],
)
def test_what_cannot_be_inflated_says_why(encoding: bytes, body: bytes, status: int, message: str) -> None:
    with pytest.raises(AnswerError, match=message) as refused:
        inflate(body, encoding, 1000)
    assert refused.value.status == status


def test_compressed_request_is_scored_like_a_plain_one(call: Call, request_body: dict[str, object]) -> None:
    plain = call("POST", "/v1/score", json=request_body)
    packed = call(
        "POST",
        "/v1/score",
        content=gzip.compress(json.dumps(request_body).encode()),
        headers={"content-encoding": "gzip"},
    )
    assert packed.status_code == 200
    assert packed.json()["score"] == plain.json()["score"]


def test_body_nested_too_deep_to_be_repeated_is_a_400(call: Call, request_body: dict[str, object]) -> None:
    deep = json.dumps(request_body)[:-1] + ', "more": ' + "[" * 300 + "]" * 300 + "}"
    answer = call("POST", "/v1/score", content=deep.encode())
    assert (answer.status_code, "nested deeper than 250" in answer.text) == (400, True)
