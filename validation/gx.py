"""The one door to Great Expectations: what this package uses of it is imported here, and nowhere else."""

from __future__ import annotations

import sys

_MAIN = sys.modules["__main__"]
_NAMED = hasattr(_MAIN, "__file__")
if not _NAMED:
    # It imports pyspark.sql.connect, which takes a program without a file (python -c, or one from standard input) for
    # its own doctests and ends the process with code 0 when grpcio-status is missing. A gate would seem passed.
    _MAIN.__file__ = "<program>"
try:
    import great_expectations as gx
    import great_expectations.expectations as gxe
    from great_expectations import ExpectationSuite
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.expectations.expectation import (
        ColumnMapExpectation,
        ColumnPairMapExpectation,
        Expectation,
        MulticolumnMapExpectation,
    )
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.metadata_types import FailureSeverity
finally:
    if not _NAMED:
        del _MAIN.__file__

__all__ = [
    "BatchDefinition",
    "ColumnMapExpectation",
    "ColumnPairMapExpectation",
    "Expectation",
    "ExpectationConfiguration",
    "ExpectationSuite",
    "FailureSeverity",
    "MulticolumnMapExpectation",
    "ProgressBarsConfig",
    "gx",
    "gxe",
]
