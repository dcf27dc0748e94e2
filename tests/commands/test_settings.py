"""Settings from the environment."""

from __future__ import annotations

import pytest

from commands.settings import SettingError, read_number, read_whole


def test_a_setting_that_is_not_given_or_empty_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKERS", raising=False)
    monkeypatch.setenv("RATE", "")
    assert (read_whole("WORKERS", 1), read_number("RATE", 20.0)) == (1, 20.0)


def test_a_setting_that_is_given_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "3")
    monkeypatch.setenv("RATE", "0.5")
    assert (read_whole("WORKERS", 1), read_number("RATE", 20.0)) == (3, 0.5)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many"])
def test_a_count_must_be_whole_and_positive(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", text)
    with pytest.raises(
        SettingError, match=f"WORKERS={text}: not a whole number of at least 1; write such as WORKERS=1"
    ):
        read_whole("WORKERS", 1)


@pytest.mark.parametrize("text", ["0", "-2", "nan", "inf", "fast"])
def test_a_number_must_be_above_zero(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE", text)
    with pytest.raises(SettingError, match=f"RATE={text}: not a number above 0; write such as RATE=20"):
        read_number("RATE", 20.0)
