"""Columns of events as words of 64 bits, which the kernel carries, and words as columns of features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.semantics.aggregators.sketches import hash_of, mixed
from pipelines.semantics.feature import Feature
from pipelines.semantics.panes.memory import ROW_VALUES, Ints

_SIGN = np.uint64(1 << 63)

Flags = npt.NDArray[np.bool_]


class Words:
    """The words of one column: numbers and times as they are, reals as their bits, text as numbers of its own.

    A NaN or an infinity is a null (rule 4), and -0.0 is 0.0.

    >>> words, valid = Words(pa.string()).encode(pa.array(["b", None, "a", "b"]))
    >>> words.tolist(), valid.tolist()
    ([0, 0, 1, 0], [True, False, True, True])
    """

    def __init__(self, kind: pa.DataType, texts: Sequence[str] = ()) -> None:
        """Start with the texts that have numbers already."""
        self.kind = kind
        self._numbered = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind)
        self.texts = list(texts)
        self._number = {text: at for at, text in enumerate(self.texts)}
        self._hashes: list[int] = []

    def encode(self, column: pa.Array) -> tuple[Ints, Flags]:
        """Return the words and which of them are values."""
        valid = np.ones(len(column), np.bool_)
        if column.null_count:
            valid = pc.is_valid(column).to_numpy(zero_copy_only=False)
        if self._numbered:
            coded = column.dictionary_encode()
            numbers = np.array([self._numbered_as(text) for text in coded.dictionary.to_pylist()] or [0], np.int64)
            return numbers[coded.indices.fill_null(0).to_numpy(zero_copy_only=False)], valid
        if pa.types.is_floating(self.kind):
            reals = column.cast(pa.float64()).to_numpy(zero_copy_only=False) + 0.0
            valid = valid & np.isfinite(reals)
            return np.where(valid, reals, 0.0).view(np.int64), valid
        if pa.types.is_timestamp(self.kind):
            column = column.cast(pa.timestamp("us", self.kind.tz))
        return column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False), valid

    def decode(self, words: Ints, valid: Flags | None) -> pa.Array:
        """Return words as values of the column's type; null where they are not valid."""
        mask = None if valid is None or valid.all() else ~valid
        if self._numbered:
            texts = pa.array(self.texts, self.kind)
            return texts.take(pa.array(words, mask=mask)) if len(texts) else pa.nulls(len(words), self.kind)
        if pa.types.is_floating(self.kind):
            return pa.array(words.view(np.float64), mask=mask).cast(self.kind)
        array = pa.array(words, mask=mask)
        if pa.types.is_timestamp(self.kind):
            return array.cast(pa.timestamp("us", self.kind.tz)).cast(self.kind)
        return array if self.kind == pa.int64() else array.cast(self.kind)

    def hashed(self, words: Ints) -> npt.NDArray[np.uint64]:
        """Return 64 bits of each word that look random and depend on its value alone."""
        if not self._numbered:
            return mixed(words)
        for text in self.texts[len(self._hashes) :]:
            self._hashes.append(hash_of(text))
        return np.array(self._hashes or [0], np.uint64)[words]

    def _numbered_as(self, text: str | None) -> int:
        if text is None:
            return 0
        number = self._number.get(text)
        if number is None:
            number = self._number[text] = len(self.texts)
            self.texts.append(text)
        return number


def values_of(
    features: Sequence[Feature], words: Mapping[str, Words], lists: Sequence[int], rows: Ints
) -> tuple[pa.Array, ...]:
    """Return the features of rows as the kernel gave them, one array each.

    Args:
        features: The features.
        words: How the columns' values are encoded.
        lists: Where each feature's list starts among the words of lists.
        rows: int64 (n, words), see `Desk.rows`.
    """
    count = len(features)
    value, valid = rows[:, ROW_VALUES : ROW_VALUES + count], rows[:, ROW_VALUES + count : ROW_VALUES + 2 * count]
    length, list_words = rows[:, ROW_VALUES + 2 * count : ROW_VALUES + 3 * count], rows[:, ROW_VALUES + 3 * count :]
    return values_from(features, words, lists, value, valid != 0, length, list_words)


def values_from(
    features: Sequence[Feature],
    words: Mapping[str, Words],
    lists: Sequence[int],
    value: Ints,
    valid: Flags,
    length: Ints,
    list_words: Ints,
) -> tuple[pa.Array, ...]:
    """Return the features of rows whose values, validity, lengths of lists and lists lie apart, a row an entry of each."""
    values = []
    for f, feature in enumerate(features):
        column = words[feature.column] if feature.column is not None else _EVENT_TIME
        kind = feature.aggregator.result(column.kind)
        if pa.types.is_list(kind):
            values.append(_lists(column, length[:, f], list_words[:, lists[f] :]))
            continue
        of = column if feature.aggregator.cells in ("first", "last") else Words(kind)
        values.append(of.decode(np.ascontiguousarray(value[:, f]), valid[:, f]))
    return tuple(values)


def id_words(ids: pa.Array, words: int) -> Ints:
    """Return event ids as rows of words that compare as the ids do (rule 5), of at least `words` words.

    Integers are one word; text is its UTF-8 bytes, eight a word, the sign turned so that words compare as bytes do.
    """
    if not pa.types.is_string(ids.type) and not pa.types.is_large_string(ids.type):
        return ids.cast(pa.int64()).to_numpy(zero_copy_only=False).reshape(-1, 1)
    encoded = ids.cast(pa.large_binary())
    lengths = pc.binary_length(encoded).to_numpy(zero_copy_only=False).astype(np.int64)
    width = max(words, 1, -(-int(lengths.max(initial=1)) // 8)) * 8
    offsets = np.frombuffer(encoded.buffers()[1], np.int64)[encoded.offset : encoded.offset + len(encoded) + 1]
    data = np.frombuffer(encoded.buffers()[2] or b"", np.uint8)
    letters = np.zeros((len(ids), width), np.uint8)
    inside = np.arange(width) < lengths[:, None]
    rows, places = np.nonzero(inside)
    letters[rows, places] = data[offsets[rows] + places]
    return (letters.view(">u8").astype(np.uint64) ^ _SIGN).view(np.int64)


def _lists(column: Words, lengths: Ints, words: Ints) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    inside = np.arange(int(lengths.max(initial=0))) < lengths[:, None]
    return pa.ListArray.from_arrays(pa.array(offsets), column.decode(words[:, : inside.shape[1]][inside], None))


_EVENT_TIME = Words(pa.timestamp("us", "UTC"))
