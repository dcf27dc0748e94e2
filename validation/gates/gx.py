"""The one door to Great Expectations: what this package uses of it is imported here, and nowhere else."""

from __future__ import annotations

import sys

# It would import these for Spark's frames, which nobody here gives it: half a second, and the second takes a program without
# a file (python -c, or one from standard input) for its own doctests and ends the process, with code 0 as if a gate had passed.
_UNWANTED = [name for name in ("pyspark.ml", "pyspark.sql.connect") if name not in sys.modules]
sys.modules.update(dict.fromkeys(_UNWANTED))  # type: ignore[arg-type]  # None: whoever imports it is told that it is not there
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
    for _name in _UNWANTED:
        del sys.modules[_name]

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
