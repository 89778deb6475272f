"""Which column of a candle file is what: one table of names, compared without case, spaces and hyphens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quantlab_core.errors import CandleFileError

COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "ts": ("ts", "timestamp", "open_time", "opentime", "datetime", "date", "time", "unix_time", "unixtime"),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "volume": ("volume", "vol", "v"),
    "token_address": ("token_address", "mint", "contract_address", "address", "token"),
    "chain": ("chain", "network", "blockchain"),
    "quality_score": ("quality_score",),
    "ingested_at": ("ingested_at",),
    "interval": ("interval", "interval_seconds", "resolution", "timeframe"),
}
"""Accepted names of every field. Where a file has several, the earlier name in this list is read."""

REQUIRED = ("open", "high", "low", "close")


def recognise_columns(names: Sequence[str], *, subject: str) -> dict[str, str]:
    """The file's own column name of every field that it has.

    Raises CandleFileError when two columns have the same name, or when no column holds times.
    """
    by_plain_name: dict[str, str] = {}
    for name in names:
        plain = plain_name(name)
        if plain in by_plain_name:
            raise CandleFileError(f"{subject}: two columns are named {name.strip()!r}; rename or remove one")
        by_plain_name[plain] = name
    found = {}
    for field, accepted in COLUMN_NAMES.items():
        written = next((by_plain_name[name] for name in accepted if name in by_plain_name), None)
        if written is not None:
            found[field] = written
    if "ts" not in found:
        shown = ", ".join(repr(name) for name in names[:8])
        raise CandleFileError(
            f"{subject}: no time column among {shown}; "
            "the first line must be a header such as ts,open,high,low,close,volume"
        )
    return found


def plain_name(name: str) -> str:
    """A column's name as it stands in `COLUMN_NAMES`."""
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def missing_columns(columns: Mapping[str, str]) -> list[str]:
    """Required fields that the file does not have."""
    return [name for name in REQUIRED if name not in columns]
