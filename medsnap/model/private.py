"""A value that must not reach a log, a traceback or a screen by accident."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)

MASK: Final = "•••"


class Private(Generic[T_co]):
    """Hold a value whose repr, str and format are masked; `reveal()` is the only way to it.

    File names, text read in a picture, patient numbers and names are private: a traceback or an
    f-string shows the mask. Sealed batches and explicit stdout reveal it on purpose.
    """

    __slots__ = ("_value",)

    def __init__(self, value: T_co) -> None:
        self._value = value

    def reveal(self) -> T_co:
        """Return the value itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Private({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Private) and bool(self._value == other._value)

    def __hash__(self) -> int:
        return hash(("Private", self._value))
