"""Where data is: a local path, or an address such as `s3://bucket/path` or `hdfs://host:8020/path`, opened by Arrow.

What an address cannot say (credentials, the region, AWS_ENDPOINT_URL) is in the environment, where Arrow looks for it. An
address may carry options behind a question mark, such as `s3://bucket/path?endpoint_override=http://minio:9000`.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import quote

import pyarrow as pa
from pyarrow import fs

from workspace.files import replacing

WHOLE: Final = ("s3", "gcs", "abfs")
"""File systems that have no rename, and in which a file is there when all of it has been sent, or not at all."""


class AddressError(ValueError):
    """An address that cannot be opened or read; the message says what it needs."""


def is_local(address: str | Path) -> bool:
    """Say whether an address is a path on this machine.

    >>> is_local("data/lake"), is_local("s3://bucket/lake")
    (True, False)
    """
    return "://" not in str(address) or str(address).startswith("file://")


def open_address(address: str | Path) -> tuple[fs.FileSystem, str]:
    """Return the file system of an address, and the path in it; nothing is read yet.

    Raises:
        AddressError: There is no such kind of address, or what it needs is not installed.
    """
    text = str(address)
    if "://" not in text:
        return fs.LocalFileSystem(), str(Path(text).resolve())
    try:
        return fs.FileSystem.from_uri(text)
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        why = str(error).split("\n")[0]
        raise AddressError(f"{text}: cannot be opened ({why}); {_needs(text)}.") from None


def inside(address: str | Path, *names: str) -> str:
    """Return the address of what lies in a folder.

    >>> inside("s3://bucket/log?region=eu-west-1", "date=2026-01-31", "part.parquet")
    's3://bucket/log/date=2026-01-31/part.parquet?region=eu-west-1'
    """
    text = str(address)
    if "://" not in text:
        return str(Path(text, *names))
    path, mark, options = text.partition("?")
    return "/".join([path.rstrip("/"), *names]) + mark + options


def with_endpoint(address: str, endpoint: str | None) -> str:
    """Return an address that names the server which keeps it; without an endpoint, or where it names one, as it is.

    >>> with_endpoint("s3://bucket/lake", "http://minio:9000")
    's3://bucket/lake?endpoint_override=http://minio:9000'
    """
    if not endpoint or not address.startswith("s3://") or "endpoint_override=" in address:
        return address
    return f"{address}{'&' if '?' in address else '?'}endpoint_override={quote(endpoint, safe=':/')}"


def list_files(address: str | Path) -> list[fs.FileInfo]:
    """Return all files below a folder, in the order of their paths; none where there is no such folder.

    Raises:
        AddressError: The address cannot be read.
    """
    found = _listed(address, recursive=True)
    return sorted((one for one in found if one.type == fs.FileType.File), key=lambda one: one.path)


def list_folders(address: str | Path) -> list[str]:
    """Return the names of the folders in a folder, in order; none where there is no such folder.

    Raises:
        AddressError: The address cannot be read.
    """
    return sorted(one.base_name for one in _listed(address, recursive=False) if one.type == fs.FileType.Directory)


def names_below(folder: str, path: str) -> tuple[str, ...]:
    """Return the names on the way from a folder to a file in it, both as their file system has them.

    >>> names_below("bucket/log", "bucket/log/date=2026-01-31/part.parquet")
    ('date=2026-01-31', 'part.parquet')
    """
    return PurePosixPath(path).relative_to(folder).parts


def is_there(address: str | Path) -> bool:
    """Say whether there is such a file or folder; far away, a folder is there once something is in it."""
    system, path = open_address(address)
    return bool(system.get_file_info(path).type != fs.FileType.NotFound)


def lock_of(address: str | Path, name: str) -> Path:
    """Return the file by which processes hold a folder, one of this name in it; of one that is far away, a file on this machine."""
    if is_local(address):
        return Path(open_address(address)[1]) / name
    folder = Path(tempfile.gettempdir()) / f"millrace-locks-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{hashlib.sha256(str(address).encode()).hexdigest()[:16]}{name}"


@contextmanager
def whole_file(address: str | Path) -> Iterator[Any]:
    """Give a binary file to write to; it is at its address, whole, when the block ends well, else not at all."""
    if is_local(address):
        with replacing(Path(open_address(address)[1])) as unfinished, pa.OSFile(str(unfinished), "wb") as file:
            yield file
        return
    held = pa.BufferOutputStream()
    yield held
    system, path = open_address(address)
    hidden = path if system.type_name in WHOLE else str(PurePosixPath(path).with_name(f".{PurePosixPath(path).name}"))
    with system.open_output_stream(hidden) as file:
        file.write(held.getvalue())
    if hidden != path:
        system.move(hidden, path)


def _listed(address: str | Path, recursive: bool) -> list[fs.FileInfo]:
    system, folder = open_address(address)
    try:
        return system.get_file_info(fs.FileSelector(folder, recursive=recursive, allow_not_found=True))
    except OSError as error:
        if is_local(address):
            raise
        why = str(error).split("\n")[0]
        raise AddressError(f"{address}: cannot be read ({why}); {_needs(str(address))}.") from None


def _needs(address: str) -> str:
    scheme = address.partition("://")[0]
    if scheme == "s3":
        return (
            "an S3 bucket needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or a role), and AWS_ENDPOINT_URL if it is not"
            " Amazon's"
        )
    if scheme in ("hdfs", "viewfs"):
        return "HDFS needs a Hadoop client: set HADOOP_HOME, JAVA_HOME and CLASSPATH=$($HADOOP_HOME/bin/hadoop classpath --glob)"
    return "write a path, s3://bucket/path or hdfs://host:port/path"
