"""Reading one block of a configuration: every key is known, every value has its type, every refusal names the key.

Numbers are strict: text, booleans, NaN and infinities are refused, because a silent conversion in a strategy file is a
wrong backtest. A key whose value is null counts as absent.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence

from quantlab_core.errors import InvalidInputError, QuantlabError

_LARGEST = 10**15
"""Whole numbers beyond it are no money, price or duration; refusing them keeps the arithmetic exact."""


def nearest(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the known word closest to ``word``, else the list of known words."""
    words = sorted(known)
    matches = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    return f"; did you mean {matches[0]!r}?" if matches else f"; known: {', '.join(words)}"


class ConfigFields:
    """One mapping of a configuration, read key by key.

    ``block`` names it in messages; ``error`` is the type that is raised. Unknown keys are refused at once.
    """

    def __init__(
        self, block: str, values: object, known: Collection[str], error: type[QuantlabError] = InvalidInputError
    ) -> None:
        self._block = block
        self._error = error
        if not isinstance(values, Mapping):
            raise error(f"{block}: expected a mapping of keys to values, got {_shown(values)}")
        for key in values:
            if key not in known:
                raise error(f"{block}: unknown key {key!r}{nearest(str(key), known)}")
        self._values = {key: value for key, value in values.items() if value is not None}

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def refuse(self, key: str, why: str) -> QuantlabError:
        """The error for ``key``, to be raised by the caller."""
        return self._error(f"{self._block}: {key} {why}")

    def number(
        self,
        key: str,
        default: float | None = None,
        *,
        least: float = -math.inf,
        above: float = -math.inf,
        below: float = math.inf,
        most: float = math.inf,
    ) -> float | None:
        """The number under ``key`` as float, or ``default``. ``least`` and ``most`` are included, the others not."""
        if key not in self._values:
            return default
        return self._checked(key, self._values[key], least=least, above=above, below=below, most=most)

    def required_number(
        self, key: str, *, least: float = -math.inf, above: float = -math.inf, below: float = math.inf
    ) -> float:
        """The number under ``key``, which must be there."""
        value = self.number(key, least=least, above=above, below=below)
        if value is None:
            raise self.refuse(key, "is required")
        return value

    def whole(self, key: str, default: int | None = None, *, least: int = 0, most: int = _LARGEST) -> int | None:
        """The whole number under ``key``, or ``default``. 60.0 counts as whole, 60.5 does not."""
        if key not in self._values:
            return default
        value = self._values[key]
        if not _is_number(value) or value != math.floor(value):
            raise self.refuse(key, f"must be a whole number, got {_shown(value)}")
        if not least <= value <= most:
            raise self.refuse(key, f"must be from {least} to {most}, got {_shown(value)}")
        return int(value)

    def choice(self, key: str, default: str, choices: Sequence[str]) -> str:
        """The word under ``key``, one of ``choices``."""
        value = self._values.get(key, default)
        if value not in choices:
            raise self.refuse(key, f"must be one of {', '.join(choices)}, got {_shown(value)}")
        return str(value)

    def flag(self, key: str, default: bool) -> bool:
        """The true or false under ``key``."""
        value = self._values.get(key, default)
        if not isinstance(value, bool):
            raise self.refuse(key, f"must be true or false, got {_shown(value)}")
        return value

    def text(self, key: str) -> str | None:
        """The text under ``key``, or None."""
        value = self._values.get(key)
        if value is not None and not isinstance(value, str):
            raise self.refuse(key, f"must be text, got {_shown(value)}")
        return value

    def texts(self, key: str) -> tuple[str, ...] | None:
        """The list of texts under ``key``, or None where the key is absent."""
        value = self._values.get(key)
        if value is None:
            return None
        if not _is_list(value) or not value or not all(isinstance(item, str) for item in value):
            raise self.refuse(key, f"must be a list of one or more texts, got {_shown(value)}")
        return tuple(value)

    def pairs(self, key: str, names: tuple[str, str]) -> tuple[tuple[float, float], ...]:
        """The list of number pairs under ``key`` (absent: empty), e.g. ``[[gain, fraction], …]``."""
        value = self._values.get(key, ())
        shape = f"a list of [{names[0]}, {names[1]}] pairs"
        if not _is_list(value):
            raise self.refuse(key, f"must be {shape}, got {_shown(value)}")
        pairs = []
        for position, item in enumerate(value, start=1):
            if not _is_list(item) or len(item) != 2:
                raise self.refuse(key, f"must be {shape}, its item {position} is {_shown(item)}")
            first = self._checked(f"{key} item {position} ({names[0]})", item[0])
            second = self._checked(f"{key} item {position} ({names[1]})", item[1])
            pairs.append((first, second))
        return tuple(pairs)

    def block(self, key: str) -> object:
        """The value under ``key`` as it stands (for a block of its own), or an empty block."""
        return self._values.get(key, {})

    def _checked(
        self,
        key: str,
        value: object,
        *,
        least: float = -math.inf,
        above: float = -math.inf,
        below: float = math.inf,
        most: float = math.inf,
    ) -> float:
        if not _is_number(value):
            raise self.refuse(key, f"must be a finite number, got {_shown(value)}")
        if not (least <= value <= most and above < value < below):  # type: ignore[operator]
            raise self.refuse(key, f"must be {_range(least, above, below, most)}, got {_shown(value)}")
        return float(value)  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) <= _LARGEST


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _range(least: float, above: float, below: float, most: float) -> str:
    bounds = [
        (f"at least {least:g}", math.isfinite(least)),
        (f"above {above:g}", math.isfinite(above)),
        (f"below {below:g}", math.isfinite(below)),
        (f"at most {most:g}", math.isfinite(most)),
    ]
    return " and ".join(text for text, is_given in bounds if is_given)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
