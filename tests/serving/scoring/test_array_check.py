"""A function that says it takes arrays gives the same on them as on a frame, or does not serve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contract.arrays import columns_like, floats
from contract.label import ServiceError
from contract.service import OnDemandView, RequestData, Service
from contract.types import TYPES
from serving.scoring.array_check import check_arrays


def service(udf: Callable[[Any], Any]) -> Service:
    view = OnDemandView("made", "arrays", udf, (), (("out", "float64"),))
    request = tuple(RequestData(kind, kind) for kind in ("float64", "string", "timestamp", "int64[]"))
    return Service("ads", (("made__out", "float64"),), (), (view,), (("user", "int64"),), request)


def test_what_gives_the_same_both_ways_may_serve() -> None:
    check_arrays(service(lambda inputs: columns_like(inputs, out=floats(inputs["float64"]) + floats(inputs["user"]))))


def test_what_fails_on_arrays_is_refused_with_what_to_do() -> None:
    with pytest.raises(
        ServiceError, match=r"ads: made is tagged millrace.takes: arrays, and fails .* AttributeError: "
    ):
        check_arrays(service(lambda inputs: pd.DataFrame({"out": inputs["float64"].fillna(0.0)})))


def test_what_gives_other_values_on_arrays_is_refused_with_the_row() -> None:
    def wrong(inputs: Any) -> Any:
        return columns_like(inputs, out=floats(inputs["float64"]) * (1 if isinstance(inputs, pd.DataFrame) else 2))

    with pytest.raises(ServiceError, match=r"gives made__out=5.0 on them, 2.5 on a frame, of user=3, float64=2.5"):
        check_arrays(service(wrong))


def test_what_fails_on_these_rows_either_way_is_not_judged() -> None:
    def picky(inputs: Any) -> Any:
        raise ValueError("not these")

    check_arrays(service(picky))


def test_a_text_that_is_missing_is_none_both_ways() -> None:
    view = OnDemandView("made", "arrays", _is_there, (("clicks", "word"),), (("out", "int64"),))
    stored = type("View", (), {"alias": "clicks", "features": (("word", "string"),)})()
    check_arrays(Service("ads", (("made__out", "int64"),), (stored,), (view,), (), ()))


def _is_there(inputs: Any) -> Any:
    return columns_like(inputs, out=np.array([int(word is not None) for word in inputs["word"]]))


@pytest.mark.parametrize("kind", [one.kind for one in TYPES.values() if one.value_type])
def test_features_of_every_kind_are_tried(kind: str) -> None:
    seen: list[Any] = []

    def is_there(inputs: Any) -> Any:
        seen.append(inputs["f"])
        many = (list, set, dict, np.ndarray)
        return columns_like(inputs, out=np.array([int(isinstance(one, many) or pd.notna(one)) for one in inputs["f"]]))

    view = OnDemandView("made", "arrays", is_there, (("v", "f"),), (("out", "int64"),))
    stored = type("View", (), {"alias": "v", "features": (("f", kind),)})()
    check_arrays(Service("ads", (("made__out", "int64"),), (stored,), (view,), (), ()))
    assert len(seen) == 4  # with and without holes, as a frame and as arrays
