from typing import Any, NoReturn

REDACTED = "‹secret›"


class Secret:
    """A value in clear that can't be printed, formatted, compared by text, serialised or pickled.

    Only `reveal()` gives it out; call it as late as possible and keep no reference.
    """

    __slots__ = ("_value",)

    def __init__(self, value: Any):
        self._value = value

    def reveal(self) -> Any:
        return self._value

    def __repr__(self) -> str:
        return REDACTED

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return REDACTED

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret can't be pickled.")

    def __iter__(self) -> NoReturn:
        raise TypeError("A secret can't be iterated.")

    def __getstate__(self) -> NoReturn:
        raise TypeError("A secret can't be serialised.")
