"""Rows for people and for programs: a table, JSON or CSV of the same things.

A column is cut only in a table on a terminal that is too narrow for it. Whatever reads a pipe gets every character.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console

Format = Literal["table", "json", "csv"]
Row = Mapping[str, Any]
Function = TypeVar("Function", bound=Callable[..., Any])

UNLIMITED_WIDTH = 100_000
"""Width of a table that nobody looks at on a terminal: nothing is cut and nothing is wrapped."""

GAP = 2
"""Blanks between two columns of a table."""

NARROWEST = 6
"""No column is cut to fewer characters than that."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. One that ``shrinks`` is cut before others when the terminal is narrow."""

    key: str
    title: str
    is_number: bool = False
    shrinks: bool = False


def format_option(function: Function) -> Function:
    """The ``--format`` option of commands that list."""
    return click.option(
        "--format",
        "output_format",
        type=click.Choice(["table", "json", "csv"]),
        default="table",
        show_default=True,
        help="A table for people, or all fields as JSON or CSV.",
    )(function)


def show_rows(rows: Sequence[Row], columns: Sequence[Column], output_format: Format, *, nothing: str) -> None:
    """Print ``rows``: as a table of ``columns``, or with all their fields as a JSON list or as CSV.

    ``nothing`` is what a person reads where there are no rows.
    """
    if output_format == "json":
        show_json(list(rows))
    elif output_format == "csv":
        show_csv(rows, [column.key for column in columns])
    elif rows:
        show_table(rows, columns)
    else:
        click.echo(nothing)


def json_keys(row: Row) -> dict[str, Any]:
    """A row with its names as JSON has them: ``mean_return`` is ``meanReturn``."""
    return {_camel_case(name): value for name, value in row.items()}


def show_json(document: object) -> None:
    """Print one JSON document; text stays as it is, only what is not printable is escaped: it reads back the same."""
    lines = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False).split("\n")
    click.echo("\n".join(line if line.isprintable() else _escaped(line) for line in lines))


def show_csv(rows: Sequence[Row], keys_without_rows: Sequence[str]) -> None:
    """Print a heading and one line per row; nested values are JSON, absent ones empty.

    A pipe gets every character. On a terminal, blanks stand for those that it would act upon.
    """
    keys = list(dict.fromkeys(key for row in rows for key in row)) or list(keys_without_rows)
    kept = _harmless if sys.stdout.isatty() else _unchanged
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(map(kept, keys))
    writer.writerows([kept(_csv_field(row.get(key))) for key in keys] for row in rows)


def show_table(
    rows: Sequence[Row], columns: Sequence[Column], *, style_of: Callable[[Row, str], str] = lambda _row, _key: ""
) -> None:
    """Print a table of ``columns`` that fits the terminal; ``style_of`` colours a row's cell of a key, on terminals."""
    from rich.box import SIMPLE_HEAD
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    screen = console()
    cells = [[shown(row.get(column.key)) for column in columns] for row in rows]
    natural = [
        max(cell_len(text) for text in [*column.title.split("\n"), *(line[index] for line in cells)])
        for index, column in enumerate(columns)
    ]
    widths = fitting_widths(natural, [column.shrinks for column in columns], screen.width - GAP * (len(columns) - 1))
    table = Table(box=SIMPLE_HEAD, padding=(0, GAP - 1, 0, 0), pad_edge=False, show_edge=False)
    for column, width in zip(columns, widths, strict=True):
        side: Literal["left", "right"] = "right" if column.is_number else "left"
        table.add_column(column.title, justify=side, width=width, no_wrap=True, overflow="ellipsis", vertical="bottom")
    for row, line in zip(rows, cells, strict=True):
        table.add_row(*(Text(text, style_of(row, column.key)) for text, column in zip(line, columns, strict=True)))
    screen.print(table)


def fitting_widths(natural: Sequence[int], shrinks: Sequence[bool], available: int) -> list[int]:
    """Column widths that need at most ``available``: the widest one gives first, of those that shrink, then of all."""
    widths = list(natural)
    for may_give in (list(shrinks), [True] * len(widths)):
        while sum(widths) > available:
            givers = [index for index, gives in enumerate(may_give) if gives and widths[index] > NARROWEST]
            if not givers:
                break
            widths[max(givers, key=lambda index: widths[index])] -= 1
    return widths


def show_facts(facts: Mapping[str, Any]) -> None:
    """Print names and values, one a line; absent values are left out."""
    given = {name: value for name, value in facts.items() if value is not None}
    width = max(map(len, given), default=0)
    for name, value in given.items():
        click.echo(f"{name:<{width}}  {shown(value)}")


def shown(value: object) -> str:
    """A value as people read it: thousands separated, absent as a dash, nothing that a terminal would act upon."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(value))


def number_of(number: int, noun: str) -> str:
    """How many of something, in the singular or the plural: ``1 row``, ``1,440 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def show_some(
    title: str, lines: Sequence[str], *, most: int, rest: str = "--format json lists all", err: bool = False
) -> None:
    """The first ``most`` lines under a title, how many more there are, and where they are; nothing without lines."""
    if not lines:
        return
    click.echo(f"{title}:", err=err)
    for line in lines[:most]:
        click.echo(f"  {shown(line)}", err=err)
    if len(lines) > most:
        click.echo(f"  … and {len(lines) - most:,} more; {rest}", err=err)


def size_text(byte_size: int) -> str:
    """A number of bytes as people read it: ``1.5 KiB``."""
    size, unit = float(byte_size), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            break
        size /= 1024
    return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"


def console() -> Console:
    """Standard output: as wide as the terminal, and without limit where it is none."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else UNLIMITED_WIDTH
    return Console(markup=False, highlight=False, emoji=False, width=width)


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _csv_field(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping | list) else value


def _escaped(line: str) -> str:
    """A line of JSON with everything that is not printable as UTF-16 escapes, which is how JSON writes it."""
    return "".join(char if char.isprintable() else _escape(char) for char in line)


def _escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def _harmless(field: object) -> object:
    if not isinstance(field, str):
        return field
    return "".join(char if char.isprintable() or char in "\t\n" else " " for char in field)


def _unchanged(field: object) -> object:
    return field
