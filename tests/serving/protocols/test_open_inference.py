"""The Open Inference Protocol: metadata, tensors as JSON and as bytes, and the same scores as `/v1/score`."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from serving.protocols.http import HttpApp
from serving.protocols.tensors import read_tensor
from serving.request.schema import RequestError

Call = Callable[..., httpx.Response]
INFER = "/v2/models/click_v1/infer"
AT = "2026-03-01T12:00:00Z"


@pytest.fixture(scope="module")
def call(whole_app: HttpApp, caller: Callable[[Any], Call]) -> Call:
    return caller(whole_app)


def tensor(name: str, datatype: str, data: list[Any], shape: list[int] | None = None) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": data}


def inputs(**changed: dict[str, Any]) -> dict[str, Any]:
    """Return a request of two rows, with some of its tensors changed or added."""
    given = {
        "user_id": tensor("user_id", "BYTES", ["ann", "nobody"]),
        "ad_id": tensor("ad_id", "INT64", [7, 9]),
        "bid": tensor("bid", "FP64", [[0.5], [1.5]], [2, 1]),
        "slot": tensor("slot", "INT32", [1, 2]),
        "event_timestamp": tensor("event_timestamp", "BYTES", [AT, AT]),
    }
    return {
        "inputs": list(
            {name: {**given.get(name, {}), **changed.get(name, {})} for name in {**given, **changed}}.values()
        )
    }


def test_server_and_models_describe_themselves(call: Call) -> None:
    server = call("GET", "/v2/").json()
    assert (server["name"], server["extensions"]) == ("millrace", ["binary_tensor_data"])
    model = call("GET", "/v2/models/click_v1").json()
    assert model == call("GET", "/v2/models/click_v1/versions/v1").json()
    assert (model["name"], model["versions"], model["platform"]) == ("click_v1", ["v1"], "xgboost")
    assert {"name": "ad_id", "datatype": "INT64", "shape": [-1]} in model["inputs"]
    assert [one["name"] for one in model["outputs"]] == ["score", "decision", "decision_id", "version", "degraded"]
    ranker = call("GET", "/v2/models/rank_v1").json()
    assert "decision" not in [one["name"] for one in ranker["outputs"]]


@pytest.mark.parametrize(
    "path",
    ["/v2/health/live", "/v2/health/ready", "/v2/models/click_v1/ready", "/v2/models/click_v1/versions/v1/ready"],
)
def test_health_is_200(call: Call, path: str) -> None:
    assert call("GET", path).status_code == 200


def test_batch_gets_the_scores_of_v1(call: Call) -> None:
    rows = [
        {"user_id": "ann", "ad_id": 7, "bid": 0.5, "slot": 1, "event_timestamp": AT},
        {"user_id": "nobody", "ad_id": 9, "bid": 1.5, "slot": 2, "event_timestamp": AT},
    ]
    wanted = call("POST", "/v1/score", json={"instances": rows}).json()["predictions"]
    answer = call("POST", "/v2/models/click_v1/versions/v1/infer", json={"id": "42", **inputs()})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["model_name"], body["model_version"], body["id"]) == ("click_v1", "v1", "42")
    outputs = {one["name"]: one for one in body["outputs"]}
    assert (outputs["score"]["datatype"], outputs["score"]["shape"]) == ("FP32", [2])
    assert outputs["score"]["data"] == [one["score"] for one in wanted]
    assert outputs["decision"]["data"] == [one["decision"] for one in wanted]
    assert outputs["degraded"]["data"] == [False, False]


def test_candidates_are_scored_in_the_order_in_which_they_came(call: Call) -> None:
    sent = {"inputs": [tensor("user_id", "BYTES", ["ann", "ann"]), tensor("ad_id", "INT64", [8, 7])]}
    got = call("POST", "/v2/models/rank_v1/infer", json=sent).json()["outputs"][0]["data"]
    ranked = call(
        "POST", "/v1/score/rank_v1", json={"user_id": "ann", "candidates": [{"ad_id": 8}, {"ad_id": 7}]}
    ).json()
    assert dict(enumerate(got)) == {one["index"]: one["score"] for one in ranked["ranking"]}


def test_tensors_go_as_bytes_and_come_as_bytes(call: Call) -> None:
    texts = {"user_id": ["ann", "nobody"], "event_timestamp": [AT, AT]}
    parts = {
        name: b"".join(struct.pack("<I", len(one)) + one.encode() for one in values) for name, values in texts.items()
    }
    parts["ad_id"] = np.array([7, 9], "<i8").tobytes()
    parts["bid"] = np.array([0.5, 1.5], "<f4").tobytes()
    types = {"ad_id": "INT64", "bid": "FP32"}
    told = [
        {"name": name, "datatype": types.get(name, "BYTES"), "shape": [2], "parameters": {"binary_data_size": len(raw)}}
        for name, raw in parts.items()
    ]
    head = json.dumps(
        {
            "inputs": [*told, tensor("slot", "INT32", [1, 2])],
            "outputs": [
                {"name": "decision", "parameters": {"binary_data": True}},
                {"name": "score"},
                {"name": "degraded", "parameters": {"binary_data": True}},
            ],
        }
    ).encode()
    answer = call(
        "POST",
        INFER,
        content=head + b"".join(parts.values()),
        headers={"Inference-Header-Content-Length": str(len(head)), "content-type": "application/octet-stream"},
    )
    assert answer.status_code == 200, answer.text
    size = int(answer.headers["inference-header-content-length"])
    body, raw = json.loads(answer.content[:size]), answer.content[size:]
    plain = {one["name"]: one["data"] for one in call("POST", INFER, json=inputs()).json()["outputs"]}
    decision, score, degraded = body["outputs"]
    assert score["data"] == plain["score"]
    assert raw[: decision["parameters"]["binary_data_size"]] == b"".join(
        struct.pack("<I", len(one)) + one.encode() for one in plain["decision"]
    )
    assert raw[-degraded["parameters"]["binary_data_size"] :] == b"\0\0"


def test_all_outputs_come_as_bytes_where_the_request_says_so(call: Call) -> None:
    answer = call("POST", INFER, json={**inputs(), "parameters": {"binary_data_output": True}})
    size = int(answer.headers["inference-header-content-length"])
    first = json.loads(answer.content[:size])["outputs"][0]
    scores = np.frombuffer(answer.content[size : size + first["parameters"]["binary_data_size"]], "<f4").tolist()
    assert scores == call("POST", INFER, json=inputs()).json()["outputs"][0]["data"]


def without(name: str) -> dict[str, Any]:
    return {"inputs": [one for one in inputs()["inputs"] if one["name"] != name]}


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        pytest.param([], "expected a JSON object", id="list"),
        pytest.param({"inputs": []}, "inputs: expected a list of at least one object", id="none"),
        pytest.param({**inputs(), "id": 3}, "id: expected a string", id="id"),
        pytest.param(without("bid"), "inputs: bid missing", id="missing"),
        pytest.param(
            inputs(user_activity__clicks=tensor("user_activity__clicks", "INT64", [1, 2])),
            "the model's own columns are looked up, not sent",
            id="column",
        ),
        pytest.param({"inputs": inputs()["inputs"] * 2}, "user_id is sent twice", id="twice"),
        pytest.param(
            inputs(bid={"datatype": "BYTES"}), "inputs[2].datatype: expected FP64 or FP32 or FP16", id="datatype"
        ),
        pytest.param(inputs(bid={"shape": [2, 2]}), "inputs[2].shape: expected [rows] or [rows, 1]", id="shape"),
        pytest.param(inputs(bid={"shape": [0]}), "inputs[2].shape", id="no_rows"),
        pytest.param(inputs(bid={"shape": [-1]}), "inputs[2].shape", id="negative"),
        pytest.param(inputs(bid={"shape": [2**31 - 1]}), "at most 8 rows", id="huge"),
        pytest.param(inputs(bid={"shape": [1]}), "has 2 values, its shape [1] has 1", id="too_many"),
        pytest.param(inputs(bid={"shape": [1], "data": [0.5]}), "bid has 1 rows, others have 2", id="rows_differ"),
        pytest.param(inputs(ad_id={"data": [7, 2**63]}), "row 1: ad_id: expected a 64-bit integer", id="range"),
        pytest.param(inputs(bid={"data": [0.5, None]}), "row 1: bid: expected a finite number", id="null"),
        pytest.param(inputs(bid={"data": None}), "inputs[2].data: expected a list of values", id="no_data"),
        pytest.param(
            {**inputs(), "outputs": [{"name": "other"}]}, "there is no output other; there are score", id="output"
        ),
        pytest.param({**inputs(), "parameters": 3}, "parameters: expected an object", id="parameters"),
        pytest.param(
            inputs(bid={"parameters": {"binary_data_size": 8}}), "binary_data_size does not fit the body", id="no_bytes"
        ),
    ],
)
def test_what_does_not_fit_is_a_400_in_the_protocols_form(call: Call, sent: Any, message: str) -> None:
    answer = call("POST", INFER, json=sent)
    assert answer.status_code == 400
    assert message in answer.json()["error"]


@pytest.mark.parametrize("size", ["-1", "9999999999999999999999", "x", "1e3", "²"])
def test_size_of_the_json_must_fit_the_body(call: Call, size: str) -> None:
    answer = call("POST", INFER, content=b"{}", headers={"inference-header-content-length": size.encode()})
    assert (answer.status_code, "expected a number of up to 2" in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("path", "status"), [("/v2/models/other/infer", 404), ("/v2/models/click_v1/versions/v0/infer", 404)]
)
def test_unknown_model_or_version_is_a_404_that_says_which_there_is(call: Call, path: str, status: int) -> None:
    answer = call("POST", path, json=inputs())
    assert answer.status_code == status
    assert "v1" in answer.json()["error"]


@pytest.mark.parametrize(
    ("raw", "datatype", "message"),
    [
        (b"\1\0\0", "BYTES", "is cut"),
        (b"\5\0\0\0abc", "BYTES", "is cut"),
        (b"\1\0\0\0\xff", "BYTES", "is not UTF-8"),
        (b"\0" * 7, "INT64", "no whole number of INT64"),
    ],
)
def test_bytes_that_are_no_tensor_are_refused(raw: bytes, datatype: str, message: str) -> None:
    kind = "string" if datatype == "BYTES" else "int64"
    with pytest.raises(RequestError, match=message):
        read_tensor({"datatype": datatype, "shape": [1]}, kind, raw, "inputs[0]", 8)


def test_list_field_has_a_row_a_list() -> None:
    two = {"datatype": "FP64", "shape": [2, 2], "data": [1.0, 2.0, 3.0, 4.0]}
    assert read_tensor(two, "float64[]", None, "a", 8) == [[1.0, 2.0], [3.0, 4.0]]
    assert read_tensor({**two, "data": [[1.0, 2.0], [3.0, 4.0]]}, "float64[]", None, "a", 8) == [[1.0, 2.0], [3.0, 4.0]]
    assert read_tensor({"datatype": "BYTES", "shape": [2, 0], "data": []}, "string[]", None, "a", 8) == [[], []]
