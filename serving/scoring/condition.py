"""Conditions over a batch of requests, written as text: `amount > 500 and profile__days < 3`.

Python's own grammar, of which only this is taken: `and`, `or`, `not`, comparisons (also chained, and `in [..]` with
constants), `+ - * /`, numbers, texts, True and False, names, and `is_missing(name)`. A comparison with a value that is
missing is false, so `not (x > 5)` is true where x is missing; ask `is_missing(x)` where that matters.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from contract.types import is_number
from stores.cells.column import FLOATS, Column

Truths = npt.NDArray[np.bool_]


class ConditionError(ValueError):
    """A condition that cannot be used; says what stands there and what to write."""


@dataclass(frozen=True, slots=True)
class _Value:
    """Values of a batch, or one for all, and which are there."""

    values: Any
    there: Any


_Node = Callable[[Mapping[str, Column]], _Value]

_ARITHMETIC: Final[dict[type, Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: np.true_divide,
}
_COMPARISONS: Final[dict[type, Callable[[Any, Any], Any]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_NUMBER, _TEXT, _TRUTH = "number", "text", "truth"


class Condition:
    """A condition that was read and checked.

    Args:
        text: What was written.
        kinds: The kind of each name it may use; a condition is read anew for another service.

    Raises:
        ConditionError: It is no expression, uses what is not taken or a name that is not known, or compares what differs in
            type.

    >>> Condition("amount > 5", {"amount": "float64"}).holds({"amount": Column.of("float64", [3.0, 7.0])}).tolist()
    [False, True]
    """

    def __init__(self, text: str, kinds: Mapping[str, str]) -> None:
        self.text = text
        self._kinds = kinds
        self.names: set[str] = set()
        kind, self._node = self._read(parse(text))
        if kind != _TRUTH:
            raise ConditionError(f"{text!r} is a {kind}, not a condition; compare it with something")

    def holds(self, columns: Mapping[str, Column]) -> Truths:
        """Return for each row whether it holds; shape (n,), or () where it asks for no column."""
        with np.errstate(all="ignore"):
            found = self._node(columns)
        return np.asarray(found.values & found.there, dtype=np.bool_)

    def _read(self, node: ast.AST) -> tuple[str, _Node]:
        match node:
            case ast.BoolOp():
                return _TRUTH, self._joined(node)
            case ast.UnaryOp(op=ast.Not()):
                return _TRUTH, self._inverted(self._want(node.operand, _TRUTH))
            case ast.UnaryOp(op=ast.USub()):
                inner = self._want(node.operand, _NUMBER)
                return _NUMBER, lambda columns: _mapped(np.negative, inner(columns))
            case ast.BinOp() if type(node.op) in _ARITHMETIC:
                left, right = self._want(node.left, _NUMBER), self._want(node.right, _NUMBER)
                return _NUMBER, _both(_ARITHMETIC[type(node.op)], left, right)
            case ast.Compare():
                return _TRUTH, self._compared(node)
            case ast.Call(func=ast.Name(id="is_missing"), args=[ast.Name(id=name)], keywords=[]):
                there = self._named(name)[1]
                return _TRUTH, lambda columns: _Value(~there(columns).there, True)
            case ast.Name(id=name):
                return self._named(name)
            case ast.Constant(value=bool() | int() | float() | str() as value):
                kind = _TRUTH if isinstance(value, bool) else _TEXT if isinstance(value, str) else _NUMBER
                return kind, lambda _: _Value(value, True)
        raise ConditionError(
            f"{ast.unparse(node)!r} is not taken; write comparisons of names, numbers and texts, joined by and, or, not"
        )

    def _want(self, node: ast.AST, kind: str) -> _Node:
        found, read = self._read(node)
        if found != kind:
            raise ConditionError(f"{ast.unparse(node)!r} is a {found} where a {kind} is expected")
        return read

    def _named(self, name: str) -> tuple[str, _Node]:
        kind = self._kind_of(name)
        if kind == "string":
            return _TEXT, lambda columns: _Value(np.asarray(columns[name].values, dtype=object), columns[name].valid)
        if kind == "bool":
            return _TRUTH, lambda columns: _Value(np.asarray(columns[name].values, dtype=np.bool_), columns[name].valid)
        if kind in FLOATS:
            return _NUMBER, lambda columns: _Value(
                columns[name].values, columns[name].valid & ~np.isnan(columns[name].values)
            )
        return _NUMBER, lambda columns: _Value(columns[name].values, columns[name].valid)

    def _kind_of(self, name: str) -> str:
        kind = self._kinds.get(name)
        if kind is None:
            near = get_close_matches(name, self._kinds, 1)
            known = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(self._kinds)[:12])}"
            raise ConditionError(f"{name} is not known; {known}")
        if kind != "string" and not is_number(kind):
            raise ConditionError(f"{name} is a {kind}; conditions take numbers, texts and booleans")
        self.names.add(name)
        return kind

    def _joined(self, node: ast.BoolOp) -> _Node:
        parts = [self._want(one, _TRUTH) for one in node.values]
        join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or

        def joined(columns: Mapping[str, Column]) -> _Value:
            truths = [_truths(part(columns)) for part in parts]
            whole = truths[0]
            for one in truths[1:]:
                whole = join(whole, one)
            return _Value(whole, True)

        return joined

    @staticmethod
    def _inverted(inner: _Node) -> _Node:
        return lambda columns: _Value(np.logical_not(_truths(inner(columns))), True)

    def _compared(self, node: ast.Compare) -> _Node:
        kind, left = self._read(node.left)
        parts: list[_Node] = []
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, ast.In | ast.NotIn):
                parts.append(_among(left, self._constants(right_node, kind), isinstance(op, ast.NotIn)))
                continue
            right_kind, right = self._read(right_node)
            if right_kind != kind or type(op) not in _COMPARISONS:
                raise ConditionError(f"{ast.unparse(node)!r} compares a {kind} with a {right_kind}")
            if kind != _NUMBER and not isinstance(op, ast.Eq | ast.NotEq):
                raise ConditionError(f"{ast.unparse(node)!r} orders {kind}s; write == or !=")
            parts.append(_both(_COMPARISONS[type(op)], left, right))
            left = right
        if len(parts) == 1:
            return parts[0]
        return lambda columns: _Value(np.logical_and.reduce([_truths(part(columns)) for part in parts]), True)

    def _constants(self, node: ast.AST, kind: str) -> list[Any]:
        elements = node.elts if isinstance(node, ast.List | ast.Tuple | ast.Set) else []
        values = [one.value for one in elements if isinstance(one, ast.Constant)]
        fits = {_NUMBER: (int, float), _TEXT: (str,), _TRUTH: (bool,)}[kind]
        if not values or len(values) < len(elements) or not all(isinstance(one, fits) for one in values):
            raise ConditionError(f"{ast.unparse(node)!r} must be a list of {kind}s, such as [1, 2] or ['a', 'b']")
        return values


def parse(text: str) -> ast.expr:
    """Read a text as an expression.

    Raises:
        ConditionError: It is none.
    """
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ConditionError(f"{text!r} is not a condition ({said}); write one such as 'amount > 500'") from None


def _truths(value: _Value) -> Any:
    return value.values if value.there is True else value.values & value.there


def _mapped(function: Callable[[Any], Any], value: _Value) -> _Value:
    return _Value(function(value.values), value.there)


def _both(function: Callable[[Any, Any], Any], left: _Node, right: _Node) -> _Node:
    def both(columns: Mapping[str, Column]) -> _Value:
        one, other = left(columns), right(columns)
        there = other.there if one.there is True else one.there if other.there is True else one.there & other.there
        return _Value(function(one.values, other.values), there)

    return both


def _among(left: _Node, constants: list[Any], inverted: bool) -> _Node:
    def among(columns: Mapping[str, Column]) -> _Value:
        value = left(columns)
        values = np.asarray(value.values)
        found: Any = np.zeros(values.shape, dtype=np.bool_)
        for one in constants:
            found = found | (values == one)
        return _Value(~found if inverted else found, value.there)

    return among
