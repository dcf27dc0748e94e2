"""Every example in a docstring of the meaning is run, and the meaning imports no engine."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import pipelines.semantics
from pipelines.semantics.aggregators import table

MODULES = [m.name for m in pkgutil.walk_packages(pipelines.semantics.__path__, "pipelines.semantics.")]


@pytest.mark.parametrize("name", [name for name in MODULES])
def test_examples_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_examples_are_there() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    assert sum(len(test.examples) for name in MODULES for test in finder.find(importlib.import_module(name))) >= 15


@pytest.mark.parametrize("name", [*table.PLAIN, *table.ARGUED])
def test_every_function_has_an_example_of_its_own(name: str) -> None:
    made = table.PLAIN.get(name) or table.ARGUED[name][1]
    owner = getattr(made, "__self__", made)  # `parse` is a method of the class
    tests = doctest.DocTestParser().get_examples(owner.__doc__ or "")
    assert any(".of(" in one.source and one.want for one in tests)


def test_the_meaning_imports_no_engine_and_no_feast() -> None:
    imports = "; ".join(f"import {name}" for name in MODULES)
    heavy = "{'feast', 'pyspark', 'bytewax', 'ray', 'redis', 'pandas'} & set(sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", f"import sys; {imports}; print(sorted({heavy}))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "[]"
