"""What a team's expectations.py may hold, and what its errors say."""

from __future__ import annotations

from pathlib import Path

import pytest

from validation.gates.handwritten import ExpectationsFileError, load_expectations

REPO = Path(__file__).parents[3] / "feature_repo"


def write(folder: Path, text: str) -> Path:
    (folder / "expectations.py").write_text("import great_expectations.expectations as gxe\n" + text)
    return folder


def test_expectations_are_loaded_by_name(tmp_path: Path) -> None:
    repo = write(tmp_path, 'EXPECTATIONS = {"readings": [gxe.ExpectColumnValuesToBeUnique(column="reading_id")]}')
    loaded = load_expectations(repo)
    assert [one.configuration.type for one in loaded["readings"]] == ["expect_column_values_to_be_unique"]


def test_repository_without_the_file_has_none(tmp_path: Path) -> None:
    assert load_expectations(tmp_path) == {}


def test_file_is_read_anew_each_time(tmp_path: Path) -> None:
    assert load_expectations(write(tmp_path, "EXPECTATIONS = {}")) == {}
    assert load_expectations(write(tmp_path, 'EXPECTATIONS = {"readings": []}')) == {"readings": ()}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"holds no dict EXPECTATIONS; write EXPECTATIONS = \{"),
        (
            'EXPECTATIONS = {"readings": gxe.ExpectColumnToExist(column="a")}',
            r"EXPECTATIONS\['readings'\] is not a list",
        ),
        (
            'EXPECTATIONS = {"readings": ["unique"]}',
            r"EXPECTATIONS\['readings'\] holds 'unique', which is not an expectation",
        ),
        ("EXPECTATIONS = {1: [gxe.ExpectNothing()]}", r"fails with AttributeError: .* Correct it\."),
    ],
    ids=["no-dict", "no-list", "no-expectation", "error"],
)
def test_file_that_does_not_fit_is_refused_with_what_to_write(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ExpectationsFileError, match=rf"expectations\.py: {words}"):
        load_expectations(write(tmp_path, text))


def test_expectations_of_what_there_is_not_are_refused(tmp_path: Path) -> None:
    repo = write(tmp_path, 'EXPECTATIONS = {"reading": []}')
    with pytest.raises(
        ExpectationsFileError, match=r"\['reading'\] is about no event table or view; use one of load, re"
    ):
        load_expectations(repo, {"readings", "load"})


def test_shipped_expectations_load_and_stay_out_of_feast_apply() -> None:
    loaded = load_expectations(REPO)
    assert all(loaded.values())
    assert "expectations.py" in (REPO / ".feastignore").read_text().split()
