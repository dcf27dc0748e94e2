"""Says which on-demand view failed, and where, instead of a trace through Feast."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from training.errors import TrainingError

_LIBRARIES = "site-packages"


@contextmanager
def told_by_view(service: str, entities: pd.DataFrame) -> Iterator[None]:
    """Turn an error inside a declared function into one that names the function, its line and an example row.

    Args:
        service: The feature service.
        entities: The entity frame, for the example.

    Raises:
        TrainingError: A declared function failed.
    """
    try:
        yield
    except TrainingError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        called = [
            at for at, frame in enumerate(frames) if "on_demand" in frame.filename or "transformation" in frame.filename
        ]
        own = [frame for frame in frames[called[-1] + 1 :] if _LIBRARIES not in frame.filename] if called else []
        if not own:
            raise
        where = own[0]
        example = ", ".join(
            f"{name}={value}" for name, value in entities.iloc[0].items() if not str(name).startswith("millrace_")
        )
        raise TrainingError(
            f"{service}: on-demand view {where.name} failed with {type(error).__name__}: {error}"
            f" ({Path(where.filename).name}, line {where.lineno}: {where.line}). Let the function give null where an input"
            f" is null; the rows begin with {example}."
        ) from error
