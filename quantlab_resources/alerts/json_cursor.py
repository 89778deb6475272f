"""Reading one large JSON text value by value: memory holds a window of it, and any damage is known by its byte.

`json`'s own scanner, in C, decodes each value and says where it ends, so no boundary is ever guessed. A parser of
events (`ijson`) takes several times as long for a message, and its C library ends the whole process on a number of
5,000 digits; the tests use it as the second opinion.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from json import JSONDecodeError, JSONDecoder
from typing import Any, NoReturn

from quantlab_resources.alerts.export_text import MAX_SILENT_BYTES, ExportText, Piece

_SKIPPED_AT_ONCE = 65_536
_MAX_DEPTH_SKIPPED = 64
_SPACE = re.compile(r"[ \t\n\r]*")
_COMMA = re.compile(r"[ \t\n\r]*,[ \t\n\r]*(?=[^ \t\n\r])")
# How a text that is whole up to its end can end, from where the scanner points at: within a word, number or escape.
_CUT_SHORT = re.compile(r"\s*(?:t|tr|tru|f|fa|fal|fals|n|nu|nul|-|\.|(?:\.\d+)?[eE][+-]?|\\?u?[0-9a-fA-F]{0,4})\Z")


class JsonDamage(Exception):
    """The text is no JSON at byte ``offset``; ``truncated`` if all that is wrong is that it ends there."""

    def __init__(self, offset: int, *, truncated: bool) -> None:
        super().__init__(f"byte {offset}")
        self.offset = offset
        self.truncated = truncated


class ValueTooLarge(Exception):
    """The value at byte ``offset`` is larger, or nested deeper, than the reader allows."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"byte {offset}")
        self.offset = offset


class JsonCursor:
    """A place in the JSON text of ``source``; every method moves it forward, and raises JsonDamage where it cannot."""

    def __init__(self, source: ExportText) -> None:
        self._source = source
        self._text = ""
        self._at = 0
        self._pieces: list[tuple[int, Piece]] = []  # with the place of the window at which each begins
        self._ended = False
        self._repeated_keys = 0
        self._decode = self._decoder(int)
        self._decode_any_number = self._decoder(_integer_or_text)

    @property
    def offset(self) -> int:
        """The byte of the file at the cursor."""
        return self._offset(self._at)

    def peek(self) -> str:
        """The next character that is no white space; empty at the end of the text."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._extend():
                return ""

    def value(self, largest: int, deepest: int = _MAX_DEPTH_SKIPPED, repairs: Counter[str] | None = None) -> Any:
        """The next value, decoded, of at most ``largest`` characters and ``deepest`` levels, else ValueTooLarge.

        Where an object has a key twice, the later value counts, unless it is empty; ``repairs`` counts that as
        ``duplicate_keys``. Numbers with a fraction are Decimals; what neither int nor Decimal can hold stays text.
        """
        self.peek()
        value, end = self._scanned(largest)
        text, start = self._text, self._at
        if end - start > largest:
            raise ValueTooLarge(self.offset)
        if text.count("[", start, end) + text.count("{", start, end) > deepest and _depth(value) > deepest:
            raise ValueTooLarge(self.offset)
        if self._repeated_keys and repairs is not None:
            repairs["duplicate_keys"] += self._repeated_keys
        self._at = end
        return value

    def elements(self) -> Iterator[None]:
        """Once per element of the array that comes next; who iterates takes the element's value each time."""
        self._take("[")
        if self.peek() == "]":
            self._at += 1
            return
        yield
        while not self._closes("]"):
            yield

    def values(self, largest: int, deepest: int, repairs: Counter[str]) -> Iterator[Any]:
        """The values of the elements of the array that comes next, each as `value` gives it, only faster."""
        decode, comma_behind = self._decode, _COMMA.match
        for _ in self.elements():
            self.peek()
            text, start = self._text, self._at
            while True:  # until the window ends, or the array, or something is odd
                self._repeated_keys = 0
                try:
                    value, end = decode(text, start)
                except (ValueError, _NoJsonNumber, RecursionError):
                    break
                comma = comma_behind(text, end)
                brackets = text.count("[", start, end) + text.count("{", start, end)
                if comma is None or brackets > deepest or end - start > largest:
                    break
                if self._repeated_keys:
                    repairs["duplicate_keys"] += self._repeated_keys
                start = self._at = comma.end()
                yield value
            yield self.value(largest, deepest, repairs)

    def members(self) -> Iterator[str]:
        """The keys of the object that comes next; who iterates takes the value of each."""
        self._take("{")
        if self.peek() == "}":
            self._at += 1
            return
        yield self._key()
        while not self._closes("}"):
            yield self._key()

    def skip(self, depth: int = 0) -> None:
        """Move past the next value, whatever its size; ValueTooLarge for a huge string or very deep nesting."""
        opening = self.peek()
        if opening not in ("{", "["):
            self.value(MAX_SILENT_BYTES)
            return
        try:
            self.value(_SKIPPED_AT_ONCE)
        except ValueTooLarge:
            if depth == _MAX_DEPTH_SKIPPED:
                raise
            for _ in self.members() if opening == "{" else self.elements():
                self.skip(depth + 1)

    def end(self) -> None:
        """Check that nothing but white space is left."""
        if self.peek():
            raise JsonDamage(self.offset, truncated=False)

    def _key(self) -> str:
        if self.peek() != '"':
            self._refuse()
        key: str = self.value(MAX_SILENT_BYTES)
        self._take(":")
        return key

    def _take(self, expected: str) -> None:
        if self.peek() != expected:
            self._refuse()
        self._at += 1

    def _closes(self, bracket: str) -> bool:
        """Move past the closing bracket (true) or the comma before a further value (false)."""
        found = self.peek()
        if found != "," and found != bracket:
            self._refuse()
        self._at += 1
        return found == bracket

    def _refuse(self) -> NoReturn:
        raise JsonDamage(self.offset, truncated=self._at == len(self._text))

    def _scanned(self, largest: int) -> tuple[Any, int]:
        """The value at the cursor and where it ends in the window, which grows until it holds the whole value."""
        decode = self._decode
        while True:
            self._repeated_keys = 0
            scanned = None
            try:
                scanned = decode(self._text, self._at)
            except JSONDecodeError as error:
                unended = error.msg.startswith("Unterminated")
                if not unended and not _CUT_SHORT.match(self._text, error.pos):
                    raise JsonDamage(self._offset(error.pos), truncated=False) from None
            except ValueError:
                decode = self._decode_any_number
                continue
            except _NoJsonNumber:
                raise JsonDamage(self.offset, truncated=False) from None
            except RecursionError:
                raise ValueTooLarge(self.offset) from None
            # A number that ends with the window may go on in the next piece.
            if scanned is not None and (scanned[1] < len(self._text) or self._ended):
                return scanned
            if len(self._text) - self._at > largest:
                raise ValueTooLarge(self.offset)
            if not self._extend() and scanned is None:
                raise JsonDamage(self._offset(len(self._text)), truncated=True)

    def _decoder(self, parse_int: Callable[[str], Any]) -> Callable[[str, int], tuple[Any, int]]:
        return JSONDecoder(
            object_pairs_hook=self._object,
            parse_float=_decimal_or_text,
            parse_int=parse_int,
            parse_constant=_refuse_constant,
        ).raw_decode

    def _extend(self) -> bool:
        """Put the next piece behind the window, and let go of what lies before the cursor; false at the end."""
        piece = None if self._ended else self._source.piece()
        if piece is None:
            self._ended = True
            return False
        gone = self._at
        rest = self._text[gone:]
        live = [(start - gone, known) for start, known in self._pieces if start + len(known.text) > gone]
        self._pieces = [*live, (len(rest), piece)]
        self._text, self._at = rest + piece.text, 0
        return True

    def _offset(self, place: int) -> int:
        for start, piece in reversed(self._pieces):
            if start <= place:
                return piece.offset(place - start)
        return self._source.position

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        decoded = dict(pairs)
        if len(decoded) < len(pairs):
            decoded = {}
            for key, value in pairs:
                if key not in decoded:
                    decoded[key] = value
                    continue
                self._repeated_keys += 1
                if value not in ("", None):  # a gift's service message repeats "text", the second time empty
                    decoded[key] = value
        return decoded


class _NoJsonNumber(Exception):
    pass


def _decimal_or_text(number: str) -> Decimal | str:
    try:
        return Decimal(number)
    except InvalidOperation:  # an exponent beyond 10**18
        return number


def _integer_or_text(number: str) -> int | str:
    try:
        return int(number)
    except ValueError:  # beyond the number of digits that Python converts
        return number


def _refuse_constant(_name: str) -> NoReturn:
    raise _NoJsonNumber


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent if isinstance(parent, list) else ())
            if isinstance(child, (dict, list))
        ]
    return depth
