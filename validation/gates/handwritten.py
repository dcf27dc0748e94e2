"""A team's own expectations, which it keeps beside its features in ``expectations.py``."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from validation.gates.gx import Expectation

_EXAMPLE = 'EXPECTATIONS = {"my_events": [gxe.ExpectColumnValuesToBeBetween(column="amount", min_value=0)]}'


class ExpectationsFileError(ValueError):
    """Says what is wrong with a feature repository's ``expectations.py``, and what to write."""


def load_expectations(repo: Path, names: Collection[str] | None = None) -> dict[str, tuple[Expectation, ...]]:
    """Load ``repo/expectations.py``: a dict EXPECTATIONS of an event table's or view's name -> expectations.

    The file is run anew at each call and is not put into `sys.modules`. List it in ``.feastignore``: else every
    ``feast apply`` imports it, and Great Expectations with it.

    Args:
        repo: The feature repository's folder.
        names: The event tables and views there are, when known: expectations of any other name would never be checked.

    Returns:
        Name -> expectations; empty when the repository has no such file.

    Raises:
        ExpectationsFileError: The file cannot be run, does not hold such a dict, or names what there is not.
    """
    path = repo / "expectations.py"
    if not path.is_file():
        return {}
    spec = importlib.util.spec_from_file_location("expectations_of_the_feature_repository", path)
    if spec is None or spec.loader is None:
        raise ExpectationsFileError(f"{path}: cannot be read as Python; write a plain module.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as problem:
        raise ExpectationsFileError(f"{path}: fails with {type(problem).__name__}: {problem}. Correct it.") from problem
    given = getattr(module, "EXPECTATIONS", None)
    if not isinstance(given, Mapping):
        raise ExpectationsFileError(f"{path}: holds no dict EXPECTATIONS; write {_EXAMPLE}.")
    for name in given:
        if names is not None and name not in names:
            raise ExpectationsFileError(
                f"{path}: EXPECTATIONS[{name!r}] is about no event table or view; use one of {', '.join(sorted(names))}."
            )
    return {str(name): _checked(path, str(name), items) for name, items in given.items()}


def _checked(path: Path, name: str, items: object) -> tuple[Expectation, ...]:
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise ExpectationsFileError(f"{path}: EXPECTATIONS[{name!r}] is not a list; write {_EXAMPLE}.")
    for item in items:
        if not isinstance(item, Expectation):
            raise ExpectationsFileError(
                f"{path}: EXPECTATIONS[{name!r}] holds {item!r}, which is not an expectation; write {_EXAMPLE}."
            )
    return tuple(items)
