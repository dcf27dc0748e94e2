"""How inner loops are compiled: once a machine, and kept in a folder of its own for exactly the sources beside them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy.typing as npt

from workspace import places


@cache
def _cache_folder(sources: Path) -> str:
    """Return where the code of a folder is kept: Numba alone would not see that a function it calls has changed."""
    seen = hashlib.sha256(numba.__version__.encode())
    for path in (Path(__file__), Path(places.__file__), *sorted(sources.glob("*.py"))):
        seen.update(path.read_bytes())
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "millrace"
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError:
        home = Path(tempfile.gettempdir()) / f"millrace-{os.getuid()}"
    return str(home / seen.hexdigest()[:16])


_OPTIONS: dict[str, Any] = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",
    "_nrt": False,
    "pipeline_class": places.PlacesCompiler,
}

Compiled = TypeVar("Compiled", bound=Callable[..., Any])


def compiled(function: Compiled) -> Compiled:
    """Compile a function of an inner loop.

    None of these makes an array, so counting references would only cost; divisors are never 0, indices never negative; other
    threads may run meanwhile.
    """
    return _compile(function)


def inlined(function: Compiled) -> Compiled:
    """Compile a function into those that call it: handing it two memories would cost more than what it does."""
    return _compile(function, forceinline=True)


def _compile(function: Compiled, **options: Any) -> Compiled:
    folder = os.environ.get("NUMBA_CACHE_DIR") or _cache_folder(Path(function.__code__.co_filename).parent)
    setattr(numba.config, "CACHE_DIR", folder)  # noqa: B010 - not typed
    decorated: Compiled = numba.njit(**_OPTIONS, **options)(function)
    return decorated


@compiled
def copy(source: npt.NDArray[Any], target: npt.NDArray[Any]) -> None:
    """Copy a row; rows never overlap, and NumPy's own copy would make room for the case that they do."""
    for at in range(len(target)):
        target[at] = source[at]
