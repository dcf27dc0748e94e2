"""Numba without its look at the sign of each index: a third of the time of code that does little but follow places in an array.

NumPy's -1 is the last one, so compiled code asks of every signed index whether it is negative. Our inner loops count from the
front only; `NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=/tmp/checked python -m pytest tests/pipelines` finds one that does not. Numba has
no option for it, but a compiler may be put together from its parts, and the part that gives an index its meaning is one function;
it is another one while our functions are lowered, and only then.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from numba.core import types
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.typed_passes import NativeLowering
from numba.np import arrayobj

MEANING: Final = "fix_integer_index"
"""The function of `numba.np.arrayobj` that counts negative indices from the end. One lock is held while Numba compiles."""


def _count_from_the_front(context: Any, builder: Any, index_type: Any, index: Any, _: object) -> Any:
    return context.cast(builder, index, index_type, types.intp if index_type.signed else types.uintp)


@contextmanager
def _all_from_the_front() -> Iterator[None]:
    usual = getattr(arrayobj, MEANING, None)
    if usual is None:
        yield
        return
    setattr(arrayobj, MEANING, _count_from_the_front)
    try:
        yield
    finally:
        setattr(arrayobj, MEANING, usual)


_registered: Any = register_pass  # untyped


@_registered(mutates_CFG=True, analysis_only=False)
class _LowerPlaces(NativeLowering):
    _name = "lower_places"

    def run_pass(self, state: Any) -> bool:
        """Lower a function; where Numba has that part no more, as it does."""
        lower: Any = super().run_pass
        with _all_from_the_front():
            return bool(lower(state))


class PlacesCompiler(CompilerBase):
    """Compiles functions whose indices are never negative."""

    def define_pipelines(self) -> list[Any]:
        """Return Numba's own passes, but for the lowering."""
        build: Any = DefaultPassBuilder  # untyped, as the next
        manager: Any = PassManager
        usual, ours = build.define_nopython_pipeline(self.state), manager("places")
        ours.passes.extend((_LowerPlaces if one is NativeLowering else one, said) for one, said in usual.passes)
        ours.finalize()
        return [ours]
