"""The one error of this program: something declared or asked for does not fit, and the message says what to write."""

from __future__ import annotations


class TrainingError(ValueError):
    """A declaration, a split or a data set cannot be trained on; the message ends with what to write instead."""
