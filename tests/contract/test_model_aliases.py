"""Aliases of models: what they name, and how a champion is made and unmade."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contract.model_aliases import drop_alias, promote, read_aliases, read_history, rollback, set_alias
from contract.model_file import FILE, ModelFileError, current_version, set_current

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Versions v1 to v4 of one service, v1 the champion; what is in their files is not looked at."""
    for version in ("v1", "v2", "v3", "v4"):
        (tmp_path / "ads" / version).mkdir(parents=True)
        (tmp_path / "ads" / version / FILE).touch()
    set_current(tmp_path, "ads", "v1")
    return tmp_path


def test_aliases_begin_with_the_champion(models: Path) -> None:
    assert read_aliases(models, "ads") == {"champion": "v1"}
    set_alias(models, "ads", "challenger", "v2")
    set_alias(models, "ads", "bold", "v3")
    set_alias(models, "ads", "challenger", "v4")
    assert list(read_aliases(models, "ads").items()) == [("champion", "v1"), ("challenger", "v4"), ("bold", "v3")]
    drop_alias(models, "ads", "challenger")
    assert read_aliases(models, "ads") == {"champion": "v1", "bold": "v3"}


@pytest.mark.parametrize(
    ("alias", "version", "message"),
    [
        ("champion", "v2", r"champion is set by `make promote SERVICE=ads VERSION=v2`"),
        ("A/B", "v2", r"'A/B' is no alias; write small letters, digits and _"),
        ("challenger", "v9", r"there is no version v9; there are v1, v2, v3, v4"),
        ("challenger", "../ads/v1", r"there is no version"),
    ],
)
def test_alias_that_names_nothing_is_refused(models: Path, alias: str, version: str, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        set_alias(models, "ads", alias, version)
    assert read_aliases(models, "ads") == {"champion": "v1"}


def test_alias_that_is_not_there_cannot_be_dropped(models: Path) -> None:
    with pytest.raises(ModelFileError, match="has no alias bold; there are none"):
        drop_alias(models, "ads", "bold")


@pytest.mark.parametrize("text", ["[", "[]", '{"a": 1}', '{"a": "../v1"}'])
def test_damaged_file_of_aliases_is_told(models: Path, text: str) -> None:
    (models / "ads" / "ALIASES.json").write_text(text)
    with pytest.raises(ModelFileError, match=r"ALIASES.json: "):
        read_aliases(models, "ads")


def test_rollback_undoes_promotions_one_by_one(models: Path) -> None:
    for hours, version in enumerate(("v2", "v3", "v3")):
        promote(models, "ads", version, "better", NOW + timedelta(hours=hours))
    assert [rollback(models, "ads", "worse", NOW) for _ in range(2)] == ["v2", "v1"]
    assert current_version(models, "ads") == "v1"
    with pytest.raises(ModelFileError, match="no champion before the present one is known"):
        rollback(models, "ads", "worse", NOW)


def test_promotion_after_a_rollback_goes_back_to_what_was_served(models: Path) -> None:
    promote(models, "ads", "v2", "better", NOW)
    rollback(models, "ads", "worse", NOW)
    promote(models, "ads", "v3", "mended", NOW)
    assert rollback(models, "ads", "worse again", NOW) == "v1"


def test_champion_that_was_set_without_a_note_is_gone_back_to(models: Path) -> None:
    promote(models, "ads", "v2", "better", NOW)
    set_current(models, "ads", "v3")
    promote(models, "ads", "v4", "newest", NOW)
    assert rollback(models, "ads", "worse", NOW) == "v3"


def test_history_tells_when_what_and_why(models: Path) -> None:
    promote(models, "ads", "v2", "won\tthe\ntest", NOW)
    told = [(one.at, one.action, one.version, one.why) for one in read_history(models, "ads")]
    assert told == [(NOW, "promoted", "v1", "found as champion"), (NOW, "promoted", "v2", "won the test")]


def test_damaged_history_is_told(models: Path) -> None:
    (models / "ads" / "HISTORY").write_text("yesterday v1\n")
    with pytest.raises(ModelFileError, match="'yesterday v1' is not time, action, version and why"):
        rollback(models, "ads", "worse", NOW)
