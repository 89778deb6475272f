"""Times of a candle file as UTC instants: the form is found once per file, and a file that mixes forms is refused.

Numbers are epoch stamps whose unit follows from their magnitude: every unit has the window 2000-01-01 to 2100-01-01,
and as the units are a factor of 1000 apart while the window's ends are a factor of 4.4 apart, no number fits two units.
Text is ISO 8601 with a zone. Text with a date but no zone needs a declared IANA zone; text without a date is of no use.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from quantlab_core.artifacts.artifact_type import UTC_TIMESTAMP
from quantlab_core.candles.arrow_columns import Column, Integers, Mask, compute, instants, is_valid, matches, one_array
from quantlab_core.errors import CandleFileError, first_line

TimeForm = Literal[
    "seconds", "milliseconds", "microseconds", "nanoseconds", "ISO text with zone", "in the declared zone", "timestamps"
]

FIRST_EPOCH_SECOND = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp())
LAST_EPOCH_SECOND = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())
_UNITS_PER_SECOND: dict[TimeForm, int] = {
    "seconds": 1,
    "milliseconds": 1_000,
    "microseconds": 1_000_000,
    "nanoseconds": 1_000_000_000,
}

_NUMBER = r"^[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?$"
_INTEGER = r"^[+-]?[0-9]{1,18}$"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?"
_ZONE = r" ?(Z|z|UTC|GMT|[+-][0-9]{2}(:?[0-9]{2})?)"
_ZONED = rf"^{_DATE}([T ]{_CLOCK})?{_ZONE}$"
_LOCAL = rf"^{_DATE}([T ]{_CLOCK})?$"
_TIME_OF_DAY = rf"^{_CLOCK}( ?[AaPp][Mm])?({_ZONE})?$"
_REMEDY = "write times as 2025-05-01T20:48:00Z or as epoch stamps, or declare --time-zone for times that have a date"


@dataclass(frozen=True, slots=True)
class ParsedTimes:
    """``instants`` is as long as the input, of type timestamp[us, UTC]; null where a value is missing or unreadable."""

    instants: pa.Array[Any]
    form: TimeForm


def parse_times(
    values: Column, *, subject: str, time_zone: str | None = None, row_numbers: Integers | None = None
) -> ParsedTimes:
    """The instants of one file's time column.

    ``subject`` names the file in messages and ``row_numbers`` its rows (from 1 if not given); ``time_zone`` is the IANA
    zone of times that carry none. A single value that cannot be read becomes null. Raises CandleFileError when the
    file mixes forms or units, when a date or zone is missing, and when no value can be read.
    """
    column = one_array(values)
    numbers = np.arange(1, len(column) + 1) if row_numbers is None else row_numbers
    kind: Any = column.type
    if pa.types.is_timestamp(kind):
        if kind.tz is not None:
            return ParsedTimes(compute.cast(column, UTC_TIMESTAMP, safe=False), "timestamps")
        return _in_zone(compute.cast(column, pa.timestamp("us"), safe=False), subject, time_zone)
    if pa.types.is_date(kind):
        return _in_zone(compute.cast(column, pa.timestamp("us")), subject, time_zone)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _from_epoch(column, subject, numbers)
    if pa.types.is_time(kind):
        raise CandleFileError(f"{subject}: its times are times of day without a date and a zone; {_REMEDY}")
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise CandleFileError(f"{subject}: a time column of type {kind} cannot be read as times; {_REMEDY}")
    return _from_text(compute.utf8_trim_whitespace(compute.cast(column, pa.string())), subject, time_zone, numbers)


def _from_text(text: pa.Array[Any], subject: str, time_zone: str | None, numbers: Integers) -> ParsedTimes:
    forms = {
        "epoch numbers": matches(text, _NUMBER),
        "times with a zone": matches(text, _ZONED),
        "times without a zone": matches(text, _LOCAL),
        "times of day without a date": matches(text, _TIME_OF_DAY),
    }
    first_rows = {name: int(mask.argmax()) for name, mask in forms.items() if mask.any()}
    if "times of day without a date" in first_rows:
        row = first_rows["times of day without a date"]
        raise CandleFileError(
            f"{subject}: the time {text[row].as_py()!r} in row {numbers[row]} has no date and no zone; {_REMEDY}"
        )
    if len(first_rows) > 1:
        examples = " and ".join(
            f"{name} (row {numbers[row]}: {text[row].as_py()!r})" for name, row in first_rows.items()
        )
        raise CandleFileError(f"{subject}: its time column mixes {examples}; split the file or bring it to one form")
    if not first_rows:
        raise CandleFileError(f"{subject}: no value of its time column can be read as a time; {_REMEDY}")
    (form,) = first_rows
    readable = compute.if_else(pa.array(forms[form]), text, pa.scalar(None, pa.string()))
    if form == "epoch numbers":
        whole = bool(np.all(matches(text, _INTEGER) | ~forms[form]))
        return _from_epoch(compute.cast(readable, pa.int64() if whole else pa.float64()), subject, numbers)
    padded = compute.replace_substring_regex(readable, rf"^({_DATE})[Tt ]([0-9]:)", r"\1T0\2")
    if form == "times without a zone":
        return _in_zone(_cast_iso(padded, pa.timestamp("us")), subject, time_zone)
    zoned = compute.replace_substring_regex(padded, r" ?(Z|z|UTC|GMT)$", "Z")
    zoned = compute.replace_substring_regex(zoned, r" ([+-][0-9]{2}:?[0-9]{0,2})$", r"\1")
    midnight = compute.replace_substring_regex(zoned, rf"^({_DATE})(Z|[+-].*)$", r"\1T00:00\2")
    return ParsedTimes(_cast_iso(midnight, UTC_TIMESTAMP), "ISO text with zone")


def _cast_iso(text: pa.Array[Any], target: Any) -> pa.Array[Any]:
    """Text of the right shape as instants; null where it names no real instant, such as the 31st of April."""
    short = compute.replace_substring_regex(text, r"(\.[0-9]{6})[0-9]+", r"\1")
    try:
        whole: pa.Array[Any] = compute.cast(short, target)
    except pa.ArrowInvalid:
        return pa.concat_arrays([_cast_one(short.slice(row, 1), target) for row in range(len(short))])
    return whole


def _cast_one(text: pa.Array[Any], target: Any) -> Any:
    try:
        return compute.cast(text, target)
    except pa.ArrowInvalid:
        return pa.nulls(1, target)


def _in_zone(local: pa.Array[Any], subject: str, time_zone: str | None) -> ParsedTimes:
    if time_zone is None:
        raise CandleFileError(f"{subject}: its times have no zone; {_REMEDY}")
    try:
        zoned = compute.assume_timezone(local, time_zone, ambiguous="raise", nonexistent="raise")
    except pa.ArrowInvalid as error:
        reason = first_line(error)
        raise CandleFileError(
            f"{subject}: its times cannot be placed in the zone {time_zone!r} ({reason}); "
            "declare another --time-zone or give times in UTC"
        ) from error
    return ParsedTimes(compute.cast(zoned, UTC_TIMESTAMP), "in the declared zone")


def _from_epoch(values: pa.Array[Any], subject: str, numbers: Integers) -> ParsedTimes:
    is_known = is_valid(values)
    stamps = compute.fill_null(values, 0).to_numpy(zero_copy_only=False)
    unit_of_row: dict[TimeForm, Mask] = {}
    for unit, per_second in _UNITS_PER_SECOND.items():
        fits = is_known & (stamps >= FIRST_EPOCH_SECOND * per_second) & (stamps < LAST_EPOCH_SECOND * per_second)
        if fits.any():
            unit_of_row[unit] = fits
    if not unit_of_row:
        raise CandleFileError(
            f"{subject}: no number of its time column is an epoch stamp between the years 2000 and 2100; {_REMEDY}"
        )
    if len(unit_of_row) > 1:
        examples = " and ".join(f"{unit} (row {numbers[int(fits.argmax())]})" for unit, fits in unit_of_row.items())
        raise CandleFileError(
            f"{subject}: its time column mixes epoch {examples}; split the file or bring it to one unit"
        )
    ((unit, fits),) = unit_of_row.items()
    return ParsedTimes(_microseconds(np.where(fits, stamps, 0), fits, _UNITS_PER_SECOND[unit]), unit)


def _microseconds(stamps: npt.NDArray[np.generic], fits: Mask, per_second: int) -> pa.Array[Any]:
    if np.issubdtype(stamps.dtype, np.floating):
        micros = np.rint(stamps.astype(np.float64) * (1_000_000 / per_second)).astype(np.int64)
    elif per_second <= 1_000_000:
        micros = stamps.astype(np.int64) * (1_000_000 // per_second)
    else:
        micros = stamps.astype(np.int64) // (per_second // 1_000_000)
    return instants(micros, mask=~fits)
