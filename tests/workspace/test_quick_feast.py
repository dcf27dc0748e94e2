from __future__ import annotations

from typing import Any

import pytest
from typeguard import TypeCheckError, typechecked

from workspace.quick_feast import checking_constructors, quicken_feast


@checking_constructors(typechecked)
class Named:
    """Has a constructor and a method, both with types."""

    def __init__(self, name: str) -> None:
        self.name = name

    def rename(self, name: str) -> None:
        self.name = name


@checking_constructors(typechecked)
class Titled(Named):
    """Inherits its constructor."""


@checking_constructors(typechecked)
class Aged(Named):
    """Calls the constructor of its parent."""

    def __init__(self, name: str, age: int) -> None:
        super().__init__(name)
        self.age = age


@pytest.mark.parametrize("wrong", [lambda: Named(3), lambda: Titled(3), lambda: Aged("a", "b"), lambda: Aged(3, 4)])  # type: ignore[arg-type]
def test_a_constructor_refuses_what_is_of_the_wrong_type(wrong: Any) -> None:
    for _ in range(2):
        with pytest.raises(TypeCheckError, match=r'argument "(name|age)"'):
            wrong()


def test_an_object_is_made_as_ever() -> None:
    one, two = Aged("a", age=3), Aged("b", age=4)
    assert (one.name, one.age, two.name, two.age) == ("a", 3, "b", 4)


def test_a_method_is_left_as_it_is() -> None:
    named: Any = Named("a")
    named.rename(3)
    assert named.name == 3


@pytest.mark.slow
def test_feast_still_says_which_argument_of_a_declaration_is_wrong() -> None:
    quicken_feast()
    from feast import Entity, Field
    from feast.types import Int64

    wrong: Any = 3
    with pytest.raises(TypeCheckError, match='argument "dtype"'):
        Field(name="clicks", dtype=wrong)
    with pytest.raises(TypeCheckError, match='argument "name"'):
        Entity(name=wrong)
    assert Field(name="clicks", dtype=Int64).name == "clicks"
