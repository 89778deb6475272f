"""Import of one candle file, whatever its format, into the normal form of ``imported_candles_v1``.

What a file does not say must be declared; nothing is guessed. Every row of the file is accounted for in the report.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from quantlab_core.artifacts.table_attributes import with_attributes
from quantlab_core.candles.arrow_columns import microseconds, row_positions, rows_at
from quantlab_core.candles.artifact_types import CANDLES_QUARANTINE
from quantlab_core.candles.candle_source import IMPORTED_FILES
from quantlab_core.candles.epoch_time import epoch_microseconds, instant_of, iso_text
from quantlab_core.candles.mixed_intervals import refuse_mixed_intervals
from quantlab_core.candles.resolution import length_of, step_of
from quantlab_core.candles.source_spans import SourceSpan, encode_spans
from quantlab_core.candles.time_units import ParsedTimes, parse_times
from quantlab_core.candles.token_codes import token_codes
from quantlab_core.candles.validation import CANDLE_VALUES, RULES, Rejection, ValidatedCandles, validate_candles
from quantlab_core.errors import CandleFileError
from quantlab_resources.candles.files.candle_columns import missing_columns
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration, check_declaration
from quantlab_resources.candles.files.candle_facts import CandleFacts, SettledInterval, settled_facts, settled_interval
from quantlab_resources.candles.files.formats.candle_formats import format_of
from quantlab_resources.candles.files.formats.format_rows import FormatRows
from quantlab_resources.candles.files.number_columns import parse_numbers
from quantlab_resources.candles.files.raw_rows import RawRows
from quantlab_resources.candles.files.row_preference import preference_of_rows
from quantlab_resources.candles.files.row_tokens import RowTokens, tokens_of_rows
from quantlab_resources.candles.files.unreadable_rows import unreadable_rows


@dataclass(frozen=True, slots=True)
class CandleFileReport:
    """Where the rows went: rows = valid + rejected + equal_duplicates + open_candles + empty_minutes.

    ``source`` is the format's name, ``resolution_reason`` how the resolution was known, ``notes`` are the format's.
    """

    source: str
    resolution: str
    resolution_reason: str
    rows: int
    valid: int
    rejected: int
    equal_duplicates: int
    open_candles: int
    empty_minutes: int
    rejected_by_rule: dict[str, int]
    time_form: str
    tokens: tuple[str, ...]
    first_ts: datetime | None
    last_ts: datetime | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CandleFile:
    """``candles`` as imported_candles_v1 with its attributes, ``quarantine`` as candles_quarantine_v1."""

    candles: pa.Table
    quarantine: pa.Table
    report: CandleFileReport


def read_candle_file(path: Path, declaration: CandleFileDeclaration, *, as_of: datetime) -> CandleFile:
    """Read, check and normalise one file.

    ``as_of`` is when the file came in, which is the latest that it can have been fetched: the candle that was open when
    it was fetched is dropped. Raises CandleFileError, naming rows, when the file cannot be read without guessing;
    NotFoundError; StorageError.
    """
    check_declaration(path, declaration, as_of)
    kind = format_of(path, declaration.source)
    found = kind.read(path, declaration)
    facts = settled_facts(path, kind, found, declaration)
    raw, subject = found.rows, str(path)
    times = _times(raw, found.columns, declaration, subject)
    tokens = _tokens(found, declaration, subject)
    numbers = {name: parse_numbers(raw.table, found.columns.get(name)) for name in CANDLE_VALUES}

    rejections = [Rejection(row.row_number, row.rule_id, row.reason) for row in raw.malformed]
    rejections += unreadable_rows(raw, found.columns, times, tokens, {name: bad for name, (_, bad) in numbers.items()})
    all_rows = pa.table(
        {
            "row_number": pa.array(raw.row_numbers, pa.int64()),
            "token_address": tokens.addresses,
            "chain": tokens.chains,
            "ts": times.instants,
            **{name: values for name, (values, _) in numbers.items()},
            **_optional_columns(found, declaration, subject),
        }
    )
    is_rejected = np.isin(raw.row_numbers, [rejection.row_number for rejection in rejections])
    rows = rows_at(all_rows, row_positions(~is_rejected))
    interval = settled_interval(rows, kind, facts, subject)
    refuse_mixed_intervals(
        rows,
        resolution=interval.resolution,
        subject=subject,
        accept_regular_gaps=declaration.accept_regular_gaps,
    )
    validated = validate_candles(
        rows,
        resolution=length_of(interval.resolution),
        as_of=min(filter(None, (as_of, declaration.fetched_at, found.fetched_at))),
        fills_before_first_trade=found.fills_before_first_trade,
    )
    _check_span(validated.candles, facts.span, interval.resolution, subject)
    rejections = sorted([*rejections, *validated.rejections], key=lambda rejection: rejection.row_number)
    candles = with_attributes(validated.candles, _attributes(facts, interval.resolution))
    report = _report(kind.name, interval, found, validated, rejections, times)
    return CandleFile(candles, _quarantine(raw, all_rows, rejections), report)


def _times(raw: RawRows, columns: Mapping[str, str], declaration: CandleFileDeclaration, subject: str) -> ParsedTimes:
    """The rows' times; a file that lacks price columns too is refused with both reasons in one message."""
    missing = missing_columns(columns)
    lacks = f"it has no column for {', '.join(missing)}" if missing else ""
    if raw.table.num_rows == 0:
        raise CandleFileError(f"{subject}: the file has no readable rows; there is nothing to import")
    if "ts" not in columns:
        raise CandleFileError(f"{subject}: its rows have no time; candles need ts, open, high, low and close")
    try:
        times = parse_times(
            raw.table[columns["ts"]],
            subject=subject,
            time_zone=declaration.time_zone,
            row_numbers=raw.row_numbers,
        )
    except CandleFileError as error:
        raise CandleFileError(f"{error}; {lacks}" if missing else str(error)) from error
    if missing:
        raise CandleFileError(f"{subject}: {lacks}; candles need ts, open, high, low and close")
    return times


def _tokens(found: FormatRows, declaration: CandleFileDeclaration, subject: str) -> RowTokens:
    """The token of every row; one that the format states for the whole file counts as a column that names it."""
    table, columns = found.rows.table, dict(found.columns)
    for field, stated in (("token_address", found.token), ("chain", found.chain)):
        if stated is not None:
            columns[field] = f"(stated) {field}"
            table = table.append_column(columns[field], pa.repeat(stated, table.num_rows))
    return tokens_of_rows(table, columns, token=declaration.token, chain=declaration.chain, subject=subject)


def _optional_columns(found: FormatRows, declaration: CandleFileDeclaration, subject: str) -> dict[str, Any]:
    """What `validate_candles` takes beside the candles: per row when it was fetched, and which is preferred."""
    columns: dict[str, Any] = {}
    if "fetched_at" in found.columns:
        written = found.rows.table[found.columns["fetched_at"]]
        columns["fetched_at"] = parse_times(written, subject=subject, row_numbers=found.rows.row_numbers).instants
    preference = preference_of_rows(found.rows, found.columns, subject=subject, time_zone=declaration.time_zone)
    if preference is not None:
        columns["preference"] = pa.array(preference, pa.int64())
    return columns


def _check_span(candles: pa.Table, span: SourceSpan | None, resolution: str, subject: str) -> None:
    """A span that is declared or stated must hold every candle, else it is not what the file is."""
    if span is None or candles.num_rows == 0:
        return
    stamps = microseconds(candles["ts"])
    first, last = int(stamps.min()), int(stamps.max())
    end = last + step_of(resolution)
    if first < epoch_microseconds(span.start) or end > epoch_microseconds(span.end):
        raise CandleFileError(
            f"{subject}: its candles run from {iso_text(first)} to {iso_text(end)}, beyond the declared span; "
            "widen --from and --to"
        )


def _attributes(facts: CandleFacts, resolution: str) -> dict[str, str]:
    return {
        "resolution": resolution,
        "source": IMPORTED_FILES,
        "source_spans": encode_spans([facts.span] if facts.span else []),
        "price_unit": facts.price_unit,
        "volume_unit": facts.volume_unit,
    }


def _quarantine(raw: RawRows, rows: pa.Table, rejections: list[Rejection]) -> pa.Table:
    """The rejected rows as they stood in the file, with what is known of their token and time."""
    malformed = {row.row_number: row.text for row in raw.malformed}
    in_table = [rejection for rejection in rejections if rejection.row_number not in malformed]
    positions = np.searchsorted(raw.row_numbers, [rejection.row_number for rejection in in_table]).astype(np.int64)
    known = rows_at(rows.select(["row_number", "token_address", "chain", "ts"]), positions).to_pylist()
    payloads = rows_at(raw.table, positions).to_pylist()
    shown = {
        row["row_number"]: {**row, "payload": json.dumps(payload, default=str, ensure_ascii=False)}
        for row, payload in zip(known, payloads, strict=True)
    }
    return pa.Table.from_pylist(
        [
            {
                "token_address": None,
                "chain": None,
                "ts": None,
                "payload": json.dumps(malformed.get(rejection.row_number), ensure_ascii=False),
                **shown.get(rejection.row_number, {}),
                "row_number": rejection.row_number,
                "rule_id": rejection.rule_id,
                "rule_version": RULES[rejection.rule_id],
                "reason": rejection.reason,
            }
            for rejection in rejections
        ],
        schema=CANDLES_QUARANTINE.schema,
    )


def _report(
    source: str,
    interval: SettledInterval,
    found: FormatRows,
    validated: ValidatedCandles,
    rejections: list[Rejection],
    times: ParsedTimes,
) -> CandleFileReport:
    candles = validated.candles
    by_rule = Counter(rejection.rule_id for rejection in rejections)
    stamps = microseconds(candles["ts"])
    return CandleFileReport(
        source=source,
        resolution=interval.resolution,
        resolution_reason=interval.reason,
        rows=found.rows.total,
        valid=candles.num_rows,
        rejected=len(rejections),
        equal_duplicates=validated.equal_duplicates,
        open_candles=validated.open_candles,
        empty_minutes=validated.empty_minutes,
        rejected_by_rule={rule_id: by_rule[rule_id] for rule_id in RULES if rule_id in by_rule},
        time_form=times.form,
        tokens=tuple(token.partition_key for token in token_codes(candles).tokens),
        first_ts=instant_of(stamps.min()) if candles.num_rows else None,
        last_ts=instant_of(stamps.max()) if candles.num_rows else None,
        notes=found.notes,
    )
