"""The fields of a JSON request, taken one by one with their types, under their snake_case or their camelCase names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, overload

from quantlab_cli.camel_case import camel_case
from quantlab_core.errors import InvalidInputError

T = TypeVar("T")

LARGEST_INTEGER = 2**53 - 1
"""Above that, JSON numbers are not the same everywhere."""


class JsonRequest:
    """One JSON object from a caller. Null counts as not given.

    Every method raises InvalidInputError, naming the field, for a value of another type, for one that is given under
    both of its names with different values, and for one that is missing, unless there is a ``default``.
    """

    def __init__(self, document: Mapping[str, Any], about: str = "the request") -> None:
        self._document = document
        self._about = about

    def check_names(self, *names: str) -> None:
        """Refuse fields other than these: one that is misspelt would otherwise silently ask for something else."""
        known = {spelling for name in names for spelling in (name, camel_case(name))}
        unknown = sorted(set(self._document) - known)
        if unknown:
            raise InvalidInputError(
                f"{self._about} has no field {unknown[0][:80]!a}; it has {', '.join(map(camel_case, names))}"
            )

    def value(self, *names: str) -> Any:
        """The value that is given under one of the names, or None."""
        spellings = dict.fromkeys(spelling for name in names for spelling in (name, camel_case(name)))
        given = {name: self._document[name] for name in spellings if self._document.get(name) is not None}
        values = list(given.values())
        if any(type(value) is not type(values[0]) or value != values[0] for value in values):
            raise InvalidInputError(
                f"{self._about} gives {' and '.join(given)} with different values; give one of them"
            )
        return values[0] if values else None

    @overload
    def text(self, *names: str) -> str: ...
    @overload
    def text(self, *names: str, default: T) -> str | T: ...
    def text(self, *names: str, default: Any = ...) -> Any:
        """Text."""
        return self._typed(names, str, "text", default)

    @overload
    def path(self, *names: str) -> str: ...
    @overload
    def path(self, *names: str, default: T) -> str | T: ...
    def path(self, *names: str, default: Any = ...) -> Any:
        """Text that can be the path of a file."""
        path = self._typed(names, str, "text", default)
        if isinstance(path, str) and (not path or "\0" in path):
            raise InvalidInputError(f"{self._about}: {names[0]} is no path: {path[:80]!a}")
        return path

    @overload
    def integer(self, *names: str) -> int: ...
    @overload
    def integer(self, *names: str, default: T) -> int | T: ...
    def integer(self, *names: str, default: Any = ...) -> Any:
        """A whole number that every JSON reader reads alike."""
        number = self._typed(names, int, "a whole number", default)
        if isinstance(number, int) and abs(number) > LARGEST_INTEGER:
            raise InvalidInputError(f"{self._about}: {names[0]} is out of range, at most {LARGEST_INTEGER}")
        return number

    @overload
    def flag(self, *names: str) -> bool: ...
    @overload
    def flag(self, *names: str, default: T) -> bool | T: ...
    def flag(self, *names: str, default: Any = ...) -> Any:
        """True or false."""
        return self._typed(names, bool, "true or false", default)

    def texts(self, *names: str, default: Any = ...) -> list[str]:
        """A list of texts."""
        found: list[Any] = self._typed(names, list, "a list of texts", default)
        if not all(isinstance(item, str) for item in found):
            raise InvalidInputError(f"{self._about}: {names[0]} must be a list of texts")
        return found

    def mapping(self, *names: str, default: Any = ...) -> dict[str, Any]:
        """An object."""
        found: dict[str, Any] = self._typed(names, dict, "an object", default)
        return found

    def text_mapping(self, *names: str, default: Any = ...) -> dict[str, str]:
        """An object whose values are texts."""
        found = self.mapping(*names, default=default)
        if not all(isinstance(item, str) for item in found.values()):
            raise InvalidInputError(f"{self._about}: the values of {names[0]} must be texts")
        return found

    def _typed(self, names: tuple[str, ...], type_: type, kind: str, default: Any) -> Any:
        value = self.value(*names)
        if value is None:
            if default is ...:
                raise InvalidInputError(f"{self._about} needs {names[0]}: {kind}")
            return default
        if type(value) is not type_:  # exactly: true and false are no numbers
            raise InvalidInputError(f"{self._about}: {names[0]} must be {kind}, not {_kind_of(value)}")
        return value


def _kind_of(value: object) -> str:
    names = {str: "text", int: "a whole number", float: "a number with a fraction", bool: "true or false"}
    return names.get(type(value), "a list" if isinstance(value, list) else "an object")
