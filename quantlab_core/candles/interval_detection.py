"""The interval of a file's candles: as the file names it, or else found in the steps between them.

An interval that nobody named is found only where the steps prove it:

- every row (but one or two strays, see `mixed_intervals`) is on its grid, and it is the coarsest interval of which that
  is true; and there are at least `MIN_ROWS` different times. If the true interval were a finer one, at least every
  second of its candles would be off that grid: 11 rows would all be on it with a probability of 0.5**11 or less, for 1
  minute against 5 it is 0.2**11;
- at least `MIN_STEPS` steps are exactly one interval long, so that candles this close exist. Candles of an interval
  that is not known here (3m, 30m, 2h) are on the grid of a known one and never one of its steps apart.

Both are counted over all tokens of the file. That a file holds no second interval is for `mixed_intervals` to check.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from quantlab_core.candles.arrow_columns import Column, Integers, compute, microseconds, one_array
from quantlab_core.candles.epoch_time import duration_microseconds
from quantlab_core.candles.mixed_intervals import MAX_STRAY_ROWS
from quantlab_core.candles.neighbouring_rows import run_starts
from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.candles.token_codes import token_codes
from quantlab_core.errors import CandleFileError

MIN_ROWS = 11
MIN_STEPS = 3

_SECONDS = {str(int(length.total_seconds())): name for name, length in RESOLUTIONS.items()}
_SPELLINGS = {
    "1m": ("1min", "1minute", "minute"),
    "5m": ("5min", "5minute"),
    "15m": ("15min", "15minute"),
    "1h": ("60m", "1H", "1hour", "hour"),
    "4h": ("240m", "4H", "4hour"),
    "1d": ("1D", "24h", "1day", "day"),
}
_BY_NAME = {spelling: name for name, others in _SPELLINGS.items() for spelling in (name, *others)}


@dataclass(frozen=True, slots=True)
class DetectedInterval:
    """``resolution`` is None where the steps prove none; ``reason`` says what was seen.

    ``rows`` are different times, ``steps`` those between two of one token; ``coarsest_grid`` is the interval that was
    looked at, None where the times are on no grid.
    """

    resolution: str | None
    reason: str
    rows: int
    steps: int
    coarsest_grid: str | None


def detect_interval(rows: pa.Table) -> DetectedInterval:
    """The interval that the times of ``rows`` prove. ``rows`` has ``chain``, ``token_address`` and ``ts``, no nulls."""
    codes, stamps = _distinct_times(rows)
    steps = np.diff(stamps)[codes[1:] == codes[:-1]]
    for name, length in reversed(RESOLUTIONS.items()):
        step = duration_microseconds(length)
        if np.count_nonzero(stamps % step) > min(MAX_STRAY_ROWS, len(stamps) // MIN_ROWS):
            continue
        exact = int(np.count_nonzero(steps == step))
        seen = f"{len(stamps):,} times are on the grid of {name}, {exact:,} of {len(steps):,} steps are {name}"
        proven = len(stamps) >= MIN_ROWS and exact >= MIN_STEPS
        return DetectedInterval(name if proven else None, seen, len(stamps), len(steps), name)
    return DetectedInterval(None, "no known interval has all times on its grid", len(stamps), len(steps), None)


def stated_resolution(names: Column, *, row_numbers: Integers, subject: str) -> str | None:
    """The resolution that a column of intervals names: text such as ``1m`` or ``1H``, or seconds; None without rows.

    Raises CandleFileError, naming rows, when rows name several, or one that is not known here.
    """
    texts = compute.utf8_trim_whitespace(compute.cast(one_array(names), pa.string()))
    encoded = compute.dictionary_encode(texts)
    codes = compute.fill_null(encoded.indices, -1).to_numpy()
    found: dict[str, int] = {}
    for code in np.unique(codes).tolist():
        row = int(row_numbers[int((codes == code).argmax())])
        name = "" if code < 0 else str(encoded.dictionary[code].as_py())
        resolution = resolution_named(name)
        if resolution is None:
            raise CandleFileError(
                f"{subject}: the interval {name!r} in row {row} is none of {', '.join(RESOLUTIONS)}; "
                "fetch the candles in one of them"
            )
        found[resolution] = min(row, found.get(resolution, row))
    if len(found) > 1:
        examples = " and ".join(f"{name} (row {row})" for name, row in sorted(found.items(), key=lambda item: item[1]))
        raise CandleFileError(
            f"{subject}: the file holds candles of {examples}; export one interval per file (WHERE interval = …)"
        )
    return next(iter(found), None)


def resolution_named(name: str) -> str | None:
    """The resolution of this name: ours, a common spelling, or its length in seconds. ``1M``, a month, is none."""
    plain = re.sub(r"\.0+$", "", name.strip())
    singular = plain.removesuffix("s")
    return _SECONDS.get(singular) or _BY_NAME.get(plain) or _BY_NAME.get(singular)


def _distinct_times(rows: pa.Table) -> tuple[Integers, Integers]:
    """Codes of tokens and their times, sorted, each time of a token once."""
    codes, stamps = token_codes(rows).codes, microseconds(rows["ts"])
    order = np.lexsort((stamps, codes))
    firsts = order[run_starts(codes[order], stamps[order])]
    return codes[firsts], stamps[firsts]
