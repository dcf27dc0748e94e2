"""Reads `keys.yaml`: who may call, for what, and how often. It holds digests only; a key is shown once, when it is made."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from serving.yaml_file import YamlError, read_yaml

PREFIX: Final = "mr_"
"""How keys begin, so that those who look for leaked secrets can find them."""

SCOPES: Final = ("score", "read", "admin")


class KeyFileError(ValueError):
    """A `keys.yaml` that cannot be used; says which line, and what to write. It never repeats what stands there."""


class Key(BaseModel):
    """One caller's key.

    Attributes:
        name: Whose it is.
        sha256: The digest of the key, 64 hexadecimal digits.
        scopes: What it allows: `score`, `read` (models, features, this documentation), `admin` (everything).
        per_second: How many requests a second each replica takes from it in the long run; None for any.
        burst: How many at once after a pause; None for as many as in a second, at least one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    name: Annotated[str, Field(min_length=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: Annotated[list[Literal["score", "read", "admin"]], Field(min_length=1)]
    per_second: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    burst: Annotated[float | None, Field(ge=1, allow_inf_nan=False)] = None

    @model_validator(mode="after")
    def _burst_of_a_rate(self) -> Key:
        if self.burst is not None and self.per_second is None:
            raise ValueError("burst without per_second bounds nothing; write both")
        return self

    @property
    def allowed(self) -> frozenset[str]:
        """Return the scopes that it allows."""
        return frozenset(SCOPES if "admin" in self.scopes else self.scopes)

    @property
    def most_at_once(self) -> float:
        """Return how many requests are taken at once after a pause; infinite without a rate."""
        return self.burst or max(1.0, self.per_second or inf)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    keys: Annotated[list[Key], Field(min_length=1)]


def make_key() -> str:
    """Return a new key: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(key: bytes) -> bytes:
    """Return what `keys.yaml` holds of a key. It is long and random, so that nothing slower than SHA-256 is called for."""
    return hashlib.sha256(key).digest()


def line_of(key: str, name: str, scopes: list[str], per_second: float | None = None) -> str:
    """Return the line that lets a key in."""
    rate = f", per_second: {per_second:.15g}" if per_second else ""
    return f"  - {{name: {json.dumps(name)}, sha256: {digest_of(key.encode()).hex()}, scopes: [{', '.join(scopes)}]{rate}}}"


def read_keys(path: Path) -> Mapping[bytes, Key]:
    """Read the keys by digest.

    Raises:
        KeyFileError: The file is not there, is not YAML, or a key is not what it must be.
    """
    try:
        file = read_yaml(path)
    except FileNotFoundError:
        raise KeyFileError(
            f"{path}: does not exist; write 'keys:' there, and the line that `make key NAME=... SCOPES=score` prints."
        ) from None
    except YamlError:
        raise KeyFileError(f"{path}: is not YAML; write 'keys:', and a line a key as `make key` prints it.") from None
    try:
        keys = _File.model_validate(file.data).keys
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise KeyFileError(f"{path}:{file.line_of(first['loc'])}: {_told(first)}") from None
    found: dict[bytes, Key] = {}
    for index, key in enumerate(keys):
        other = found.setdefault(bytes.fromhex(key.sha256), key)
        if other is not key:
            at = f"{path}:{file.line_of(('keys', index))}"
            raise KeyFileError(f"{at}: {key.name} has the key of {other.name}; make one for each with `make key`.")
    return found


def _told(error: Any) -> str:
    place = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in error["loc"]).lstrip(".")
    return f"{place or 'the file'}: {error['msg'].removeprefix('Value error, ')}; write it as `make key` prints it."
