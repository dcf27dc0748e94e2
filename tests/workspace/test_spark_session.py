from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from workspace import spark_session as session
from workspace.java import find_java_home


def test_a_brief_local_session_compiles_little_and_uses_the_archive_of_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "CLASSES", tmp_path / "classes.jsa")
    brief = session.java_options("local[*]", True, None)
    assert set(session.BRIEF) <= set(brief)
    assert not any("Archive" in option for option in brief)
    session.CLASSES.touch()
    assert f"-XX:SharedArchiveFile={session.CLASSES}" in session.java_options("local[*]", False, None)


def test_a_cluster_gets_no_options_of_this_machine() -> None:
    assert all(option.startswith("-Dlog4j2") for option in session.java_options("spark://there:7077", True, None))


def test_java_starts_with_an_archive_that_does_not_fit(tmp_path: Path) -> None:
    damaged = tmp_path / "classes.jsa"
    damaged.write_bytes(b"damaged" * 1000)
    java = find_java_home() / "bin" / "java"
    assert subprocess.run([java, f"-XX:SharedArchiveFile={damaged}", "-version"], capture_output=True).returncode == 0
