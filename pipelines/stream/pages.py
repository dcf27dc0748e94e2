"""Keeps arrays in files so that each save writes only what changed since the one before.

An array is cut into pages of 512 bytes. A save writes the pages whose checksum is another than at the save before to one new
file; the manifest, which goes into Bytewax's recovery store, names the files that make up the whole. When they hold several
times what is alive, the next save writes everything and starts anew.

A save holds up the stream, so it writes pages as they are; a thread compresses the file afterwards, four to one, in its place.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from workspace.compiled import compiled
from workspace.files import replacing

Ints = npt.NDArray[np.int64]

PAGE: Final = 64
"""Words of a page."""

AT_ONCE: Final = 4_096
"""Pages that are gathered and written at a time."""

GROWN: Final = 3
"""How many times what is alive the files may hold before they are written anew."""

KEPT: Final = 8
"""Saves for which a file stays that no manifest names any more: a restart may go on from one of the last."""

PAUSE: Final = 0.2
"""Seconds after a save until its file is compressed: at the end of an epoch the stream waits for the saves of other views."""

_PACKER: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pages")
"""Compresses files, one after the other. Not with less priority: it would keep Python's lock while others have the processor."""

_SCHEMA: Final = pa.schema([("array", pa.int32()), ("page", pa.int64()), ("words", pa.binary(PAGE * 8))])


class MissingPagesError(ValueError):
    """A saved state whose files are gone."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What makes up a saved state: plain data, safe to pickle.

    Attributes:
        files: Names of the files, the earliest first.
        lengths: Words of each array, by name.
    """

    files: tuple[str, ...]
    lengths: tuple[tuple[str, int], ...]


class PagedArrays:
    """The saved arrays of one shard of a view."""

    def __init__(self, folder: Path) -> None:
        """Keep them in a folder of their own."""
        self._folder = folder
        self._sums: dict[str, Ints] = {}
        self._files: list[tuple[str, int]] = []
        self._number = 0
        self._gone: deque[tuple[int, str]] = deque()
        self._saves = 0
        self._lock = threading.Lock()

    def save(self, arrays: Mapping[str, Ints]) -> Manifest:
        """Write what changed, and return what makes up the whole.

        Raises:
            OSError: The disk is full or away; nothing has changed, and it may be tried again.
        """
        sums = {name: np.concatenate([_checksums(part) for part in _pages(array)]) for name, array in arrays.items()}
        alive = sum(map(len, sums.values()))
        changed = {name: self._changed(name, new) for name, new in sums.items()}
        anew = sum(count for _, count in self._files) + sum(map(len, changed.values())) > GROWN * alive
        if anew:
            changed = {name: np.arange(len(new)) for name, new in sums.items()}
        count = sum(map(len, changed.values()))
        files = [] if anew else list(self._files)
        if count:
            self._number += 1
            name = f"{self._number:012}.pages"
            with replacing(self._folder / name) as unfinished:
                _write(unfinished, _batches(arrays, changed))
            _PACKER.submit(self._pack, self._folder / name, time.monotonic() + PAUSE)
            files.append((name, count))
        self._forget([name for name, _ in self._files if anew])
        self._files, self._sums = files, sums
        lengths = tuple((name, len(array)) for name, array in arrays.items())
        return Manifest(tuple(name for name, _ in files), lengths)

    def load(self, manifest: Manifest, *, tidy: bool = True) -> dict[str, Ints]:
        """Return the arrays of a manifest, and go on from there; `tidy` removes files that are not of it.

        Raises:
            MissingPagesError: A file is not there.
        """
        names = [name for name, _ in manifest.lengths]
        arrays = {name: np.zeros((-(-length // PAGE), PAGE), np.int64) for name, length in manifest.lengths}
        self._files = []
        for file in manifest.files:
            path = self._folder / file
            if not path.is_file():
                raise MissingPagesError(f"{path}: gone, and with it the stream's state; start it with FRESH=1.")
            with pa.memory_map(str(path)) as source:
                table = pa.ipc.open_file(source).read_all()
            words = np.frombuffer(b"".join(table["words"].to_pylist()), np.int64).reshape(-1, PAGE)
            array, page = table["array"].to_numpy(), table["page"].to_numpy()
            for number, name in enumerate(names):
                mine = (array == number) & (page < len(arrays[name]))
                arrays[name][page[mine]] = words[mine]
            self._files.append((file, len(table)))
        self._sums = {name: _checksums(array) for name, array in arrays.items()}
        for path in self._folder.glob("*.pages*"):
            if tidy and path.name not in manifest.files:
                path.unlink(missing_ok=True)
        self._number = max((int(file.partition(".")[0]) for file in manifest.files), default=0)
        return {name: arrays[name].ravel()[:length].copy() for name, length in manifest.lengths}

    def size(self) -> int:
        """Return the bytes of the files of the last save."""
        return sum((self._folder / name).stat().st_size for name, _ in self._files)

    def _changed(self, name: str, new: Ints) -> Ints:
        old = self._sums.get(name, np.zeros(0, np.int64))
        same = min(len(old), len(new))
        return np.concatenate([np.flatnonzero(old[:same] != new[:same]), np.arange(same, len(new))])

    def _forget(self, files: list[str]) -> None:
        self._saves += 1
        self._gone += [(self._saves + KEPT, name) for name in files]
        with self._lock:
            while self._gone and self._gone[0][0] <= self._saves:
                (self._folder / self._gone.popleft()[1]).unlink(missing_ok=True)

    def _pack(self, path: Path, when: float) -> None:
        """Compress a file, not before a time. It stays as it is where the disk is full, and stays away where it has been deleted meanwhile."""
        time.sleep(max(when - time.monotonic(), 0))
        packed = path.with_name(f".{path.name}.packed")
        with suppress(OSError):
            with pa.memory_map(str(path)) as source:
                _write(packed, pa.ipc.open_file(source).read_all().to_batches(), "zstd")
            with self._lock:
                if path.is_file():
                    packed.replace(path)
        packed.unlink(missing_ok=True)


def _batches(arrays: Mapping[str, Ints], changed: Mapping[str, Ints]) -> Iterator[pa.RecordBatch]:
    """Yield pages to write, each batch in the same memory as the one before: it stays in the processor's cache."""
    held = np.empty((AT_ONCE, PAGE), np.int64)
    for number, (name, wanted) in enumerate(changed.items()):
        whole, rest = _pages(arrays[name])
        for start in range(0, len(wanted), AT_ONCE):
            some = wanted[start : start + AT_ONCE]
            inside = int(np.searchsorted(some, len(whole)))
            np.take(whole, some[:inside], axis=0, out=held[:inside], mode="clip")  # else it makes a copy of its own
            held[inside : len(some)] = rest
            words = pa.Array.from_buffers(pa.binary(PAGE * 8), len(some), [None, pa.py_buffer(held[: len(some)])])
            yield pa.record_batch([pa.array(np.full(len(some), number, np.int32)), some, words], _SCHEMA)


def _write(path: Path, batches: Iterable[pa.RecordBatch], compression: str | None = None) -> None:
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA, options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)


def _pages(array: Ints) -> tuple[Ints, Ints]:
    """Return an array as pages, without a copy; and its last one, filled up, if it is no whole one."""
    whole = len(array) // PAGE * PAGE
    rest = np.zeros((int(whole < len(array)), PAGE), np.int64)
    rest.ravel()[: len(array) - whole] = array[whole:]
    return array[:whole].reshape(-1, PAGE), rest


def _checksums(pages: Ints) -> Ints:
    sums = np.empty(len(pages), np.int64)
    _sum_pages(pages, sums)
    return sums


@compiled
def _sum_pages(pages: Ints, sums: Ints) -> None:
    """Give each page a checksum of 64 bits: multiply and fold, word by word, in four lanes that do not wait for each other."""
    factor, fold = np.uint64(0xFF51AFD7ED558CCD), np.uint64(32)
    for page in range(len(pages)):
        a = b = c = d = np.uint64(0x9E3779B97F4A7C15)
        for word in range(0, PAGE, 4):
            a = (a ^ np.uint64(pages[page, word])) * factor
            b = (b ^ np.uint64(pages[page, word + 1])) * factor
            c = (c ^ np.uint64(pages[page, word + 2])) * factor
            d = (d ^ np.uint64(pages[page, word + 3])) * factor
            a, b, c, d = a ^ (a >> fold), b ^ (b >> fold), c ^ (c >> fold), d ^ (d >> fold)
        for lane in (b, c, d):
            a = (a ^ lane) * factor
            a ^= a >> fold
        sums[page] = np.int64(a)
