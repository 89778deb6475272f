"""A candle table of ClickHouse: which of its columns is what, and of which type, as ``system.columns`` says.

The earlier system had two layouts: one with the interval as seconds or text, which keeps duplicates, and one whose rows
have a quality and the time when they came in. Here the second is the first with two more columns.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quantlab_core.errors import CandleSourceError
from quantlab_resources.candles.clickhouse.clickhouse_config import CONFIG_VARIABLE, ClickHouseConfig
from quantlab_resources.candles.clickhouse.clickhouse_connection import ClickHouseConnection

KNOWN_TABLES = ("ohlcv_candles", "ohlcv_candles_1m")
"""Tables of the earlier system, one of which is taken where the configuration names none."""

USUAL_NAMES: dict[str, tuple[str, ...]] = {
    "token_address": ("token_address",),
    "chain": ("chain",),
    "timestamp": ("timestamp",),
    "interval": ("interval_seconds", "interval"),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
    "volume": ("volume",),
    "quality": ("quality_score",),
    "ingested_at": ("ingested_at",),
    "pool": (),
}
"""Names of every column where none is configured, the earlier first."""

OPTIONAL = frozenset({"volume", "quality", "ingested_at", "pool"})

_NUMBER = r"Float32|Float64|U?Int(8|16|32|64)|Decimal\(.*\)|String"
_TIME = r"DateTime(\('.*'\))?|DateTime64\(.*\)"
_TEXT = r"String"
_NAME = r"String|Enum(8|16)\(.*\)"
TYPES: dict[str, tuple[str, str]] = {
    "token_address": (_TEXT, "String"),
    "pool": (_TEXT, "String"),
    "chain": (_NAME, "String or Enum"),
    "timestamp": (_TIME, "DateTime or DateTime64"),
    "ingested_at": (_TIME, "DateTime or DateTime64"),
    "interval": (rf"U?Int(8|16|32|64)|{_NAME}", "an integer (seconds), String or Enum"),
    **dict.fromkeys(
        ("open", "high", "low", "close", "volume", "quality"),
        (_NUMBER, "Float32, Float64, an integer up to 64 bits, Decimal or String"),
    ),
}
"""Types of every column that can be converted exactly, as a pattern and in words."""

_WRAPPED = re.compile(r"(Nullable|LowCardinality)\((.*)\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its own name. ``kind`` is its type without Nullable and LowCardinality."""

    name: str
    kind: str

    @property
    def sql(self) -> str:
        """The name as it stands in a query."""
        return quoted(self.name)


@dataclass(frozen=True, slots=True)
class CandleTable:
    """A table and its columns by what they are (the keys of `USUAL_NAMES`)."""

    database: str
    name: str
    engine: str
    columns: Mapping[str, Column]

    @property
    def sql(self) -> str:
        """The table as it stands in a query."""
        return f"{quoted(self.database)}.{quoted(self.name)}"


def quoted(name: str) -> str:
    """An identifier in backticks; whatever it holds, it stays one identifier."""
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def find_candle_table(connection: ClickHouseConnection, config: ClickHouseConfig, *, asked_by: str = "") -> CandleTable:
    """The table that the configuration names, else the one known table that the database has.

    Raises CandleSourceError when there is none or more than one, and when a column is missing or of a type that cannot
    be converted exactly.
    """
    database = connection.address.database
    found = connection.query(
        "SELECT name, engine FROM system.tables WHERE database = {database:String} AND name IN {names:Array(String)}",
        {"database": database, "names": [config.table] if config.table else list(KNOWN_TABLES)},
        asked_by=asked_by,
    ).to_pylist()
    subject = f"{connection.address.shown}: database {database!r}"
    if not found:
        wanted = repr(config.table) if config.table else " or ".join(KNOWN_TABLES)
        raise CandleSourceError(
            f"{subject} has no table {wanted} that this user may see; name database and table "
            f"(`table:` in the file that {CONFIG_VARIABLE} names)"
        )
    if len(found) > 1:
        names = " and ".join(sorted(row["name"] for row in found))
        raise CandleSourceError(
            f"{subject} has {names}; say which one to ask with `table:` in the file that {CONFIG_VARIABLE} names"
        )
    (table,) = found
    types = connection.query(
        "SELECT name, type FROM system.columns WHERE database = {database:String} AND table = {table:String}",
        {"database": database, "table": table["name"]},
        asked_by=asked_by,
    ).to_pylist()
    columns = _columns(
        {row["name"]: row["type"] for row in types},
        {role: name for role, name in config.columns.model_dump().items() if name is not None},
        subject=f"{connection.address.shown}: table {table['name']!r}",
    )
    return CandleTable(database, table["name"], table["engine"], columns)


def _columns(types: Mapping[str, str], configured: Mapping[str, str], *, subject: str) -> dict[str, Column]:
    columns = {}
    for role, usual in USUAL_NAMES.items():
        names: Sequence[str] = (configured[role],) if role in configured else usual
        name = next((name for name in names if name in types), None)
        if name is not None:
            columns[role] = _checked(role, name, types[name], subject)
        elif role in configured or (role not in OPTIONAL - {"token_address"} and not _is_replaced(role, configured)):
            raise CandleSourceError(
                f"{subject} has no column {' or '.join(map(repr, names))} for its {role}; it has "
                f"{', '.join(sorted(types)[:20])}; name it under `columns:` in the file that {CONFIG_VARIABLE} names"
            )
    return columns


def _is_replaced(role: str, configured: Mapping[str, str]) -> bool:
    """A table that is kept by pool need not have tokens."""
    return role == "token_address" and "pool" in configured


def _checked(role: str, name: str, type_text: str, subject: str) -> Column:
    kind = plain_type(type_text)
    pattern, words = TYPES[role]
    if re.fullmatch(pattern, kind, re.DOTALL) is None:
        raise CandleSourceError(
            f"{subject}: column {name!r} ({role}) is {type_text}; it must be {words} to be read exactly; "
            "make a view that converts it, and name the view"
        )
    return Column(name, kind)


def plain_type(type_text: str) -> str:
    """A ClickHouse type without the wrappers that change nothing about its values."""
    wrapped = _WRAPPED.fullmatch(type_text)
    return plain_type(wrapped.group(2)) if wrapped else type_text
