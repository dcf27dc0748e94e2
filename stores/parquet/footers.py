"""Reads the footers of Parquet files: which columns and how many rows they have, and a digest that tells them apart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

AT_ONCE: Final = 16
"""Files whose footers are read at the same time: far away ones take their time."""

_TAIL: Final = 65_536
_END: Final = 8  # the footer's length, and PAR1


@dataclass(frozen=True, slots=True)
class Footer:
    """What a file says of itself.

    Attributes:
        file: Where it is, as its file system names it.
        schema: Its columns.
        groups: The rows of each row group.
        digest: SHA-256 of the footer and the file's length. A footer has, of each column of each row group, where it lies, its
            length, its least and its greatest value; files of equal footers are taken as equal.
    """

    file: str
    schema: pa.Schema
    groups: tuple[int, ...]
    digest: bytes

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(self.groups)


def read_footers(system: fs.FileSystem, files: Sequence[str]) -> list[Footer]:
    """Return the footers of files, in their order.

    Raises:
        pyarrow.ArrowInvalid: A file is not Parquet.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda file: _read_footer(system, file), files))


def _read_footer(system: fs.FileSystem, file: str) -> Footer:
    with system.open_input_file(file) as opened:
        size = opened.size()
        tail = opened.read_at(min(_TAIL, size), max(size - _TAIL, 0))
        length = int.from_bytes(tail[-_END:-4], "little") + _END
        if tail[-4:] != b"PAR1" or length > size:
            raise pa.ArrowInvalid(f"{file}: is not a Parquet file; write it anew, or take it out of its folder.")
        if length > len(tail):
            tail = opened.read_at(length, size - length)
    footer = tail[-length:]
    said = pq.read_metadata(pa.BufferReader(footer))
    groups = tuple(said.row_group(group).num_rows for group in range(said.num_row_groups))
    digest = hashlib.sha256(footer + size.to_bytes(8, "little")).digest()
    return Footer(file, said.schema.to_arrow_schema(), groups, digest)


def schema_of(footers: Sequence[Footer]) -> pa.Schema:
    """Return the columns that any of the files has, in types that hold those of all; without dictionaries."""
    unified = pa.unify_schemas([one.schema for one in footers], promote_options="permissive")
    return pa.schema([field.with_type(_plain(field.type)) for field in unified])


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
