"""Addresses: what names a place inside another, what cannot be opened and what it needs."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

import workspace.addresses
from workspace.addresses import AddressError, inside, list_files, list_folders, open_address, whole_file, with_endpoint


def test_documented_calls_give_what_they_say() -> None:
    assert doctest.testmod(workspace.addresses).failed == 0


def test_hdfs_without_a_hadoop_client_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HADOOP_HOME", raising=False)
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    with pytest.raises(AddressError, match=r"hdfs://namenode:8020/lake: cannot be opened .*set HADOOP_HOME, JAVA_HOME"):
        open_address("hdfs://namenode:8020/lake")


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(
        AddressError, match=r"ftp://host/x: cannot be opened .*write a path, s3://bucket/path or hdfs://"
    ):
        open_address("ftp://host/x")


def test_a_local_address_may_be_a_path_or_a_uri(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a b" / "file") as file:
        file.write(b"1")
    assert [one.base_name for one in list_files(str(tmp_path))] == ["file"]
    assert [one.base_name for one in list_files((tmp_path / "a b").as_uri())] == ["file"]
    assert list_folders(tmp_path) == ["a b"]
    assert list_files(tmp_path / "none") == list_folders(tmp_path / "none") == []


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    def write() -> None:
        with whole_file(tmp_path / "file") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert list(tmp_path.iterdir()) == []


def test_an_endpoint_that_is_named_already_stays() -> None:
    named = "s3://bucket/lake?region=eu-west-1&endpoint_override=http://one:1"
    assert with_endpoint(named, "http://two:2") == named
    assert with_endpoint("s3://bucket/lake?region=eu-west-1", "two:2").endswith(
        "?region=eu-west-1&endpoint_override=two:2"
    )
    assert with_endpoint("data/lake", "http://two:2") == "data/lake"
    assert inside(named, "x") == "s3://bucket/lake/x?region=eu-west-1&endpoint_override=http://one:1"
