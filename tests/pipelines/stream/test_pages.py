"""Saved arrays: what is read back is what was there, whatever was saved between, and a save writes only what changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.stream import pages as pages_module
from pipelines.stream.pages import _PACKER, GROWN, KEPT, PAGE, MissingPagesError, PagedArrays

change = st.tuples(st.sampled_from("ab"), st.integers(0, 2_000), st.integers(1, 9))


@pytest.fixture(autouse=True, scope="module")
def _no_pause() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages_module, "PAUSE", 0.0)
        yield


def wait_for_packing() -> None:
    _PACKER.submit(int).result()  # it does one thing after the other


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.lists(change, max_size=5), st.booleans()), max_size=12))
def test_every_save_reads_back_as_it_was(tmp_path: Path, saves: list[tuple[list[tuple[str, int, int]], bool]]) -> None:
    kept = Path(mkdtemp(dir=tmp_path))
    pages, arrays = PagedArrays(kept), {"a": np.zeros(0, np.int64), "b": np.arange(10)}
    manifest = pages.save(arrays)
    for changes, restart in saves:
        for name, at, value in changes:
            if at >= len(arrays[name]):
                arrays[name] = np.concatenate([arrays[name], np.zeros(at + 1 - len(arrays[name]), np.int64)])
            arrays[name][at] = value
        manifest = pages.save(arrays)
        if restart:
            wait_for_packing()
            pages = PagedArrays(kept)
            got = pages.load(manifest)
            assert {name: array.tolist() for name, array in got.items()} == {n: a.tolist() for n, a in arrays.items()}


def test_a_save_writes_only_the_pages_that_changed(tmp_path: Path) -> None:
    pages, array = PagedArrays(tmp_path), np.random.default_rng(1).integers(0, 2**60, 1_000 * PAGE)
    pages.save({"a": array})
    wait_for_packing()
    whole = pages.size()
    array[[5, 500 * PAGE]] += 1
    assert len(pages.save({"a": array}).files) == 2
    wait_for_packing()
    assert 0 < pages.size() - whole < whole / 100
    assert len(pages.save({"a": array}).files) == 2, "nothing changed: no new file"


def test_a_file_is_compressed_once_it_is_saved(tmp_path: Path) -> None:
    pages, array = PagedArrays(tmp_path), np.arange(1_000 * PAGE)
    manifest = pages.save({"a": array})
    wait_for_packing()
    assert 0 < pages.size() < array.nbytes / 2
    assert [file.name for file in tmp_path.iterdir()] == list(manifest.files)
    assert np.array_equal(PagedArrays(tmp_path).load(manifest)["a"], array)


def test_files_are_written_anew_before_they_hold_several_times_what_is_alive(tmp_path: Path) -> None:
    pages, array = PagedArrays(tmp_path), np.random.default_rng(1).integers(0, 2**60, 100 * PAGE)
    first = pages.save({"a": array})
    one = pages.size()
    for _ in range(20):
        array += 1
        last = pages.save({"a": array})
        assert pages.size() <= GROWN * one * 1.1
        assert len(list(tmp_path.iterdir())) <= (KEPT + 2) * GROWN
    assert not (tmp_path / first.files[0]).exists(), "what no restart can ask for is gone"
    assert np.array_equal(PagedArrays(tmp_path).load(last)["a"], array)


def test_a_file_that_is_gone_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    manifest = PagedArrays(tmp_path).save({"a": np.arange(3)})
    (tmp_path / manifest.files[0]).unlink()
    with pytest.raises(MissingPagesError, match="start it with FRESH=1"):
        PagedArrays(tmp_path).load(manifest)
