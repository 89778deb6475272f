"""Candle files come in: archive them and store their valid candles in normal form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from quantlab_assets.workflows.archive import archive_file
from quantlab_assets.workflows.intake import Intake, take_in
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.artifacts.timestamp_text import parse_timestamp
from quantlab_core.candles.artifact_types import CANDLES_QUARANTINE, IMPORTED_CANDLES
from quantlab_core.candles.slices import HOURS_AFTER, HOURS_BEFORE
from quantlab_core.candles.source_spans import SourceSpan, decode_spans, merge_spans
from quantlab_core.errors import CandleFileError
from quantlab_resources.candles.candle_declaration import CandleFileDeclaration
from quantlab_resources.candles.candle_file import read_candle_file
from quantlab_resources.candles.declaration_config import declaration_to_config


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """One imported file: its partition key, its valid candles, its quarantined rows and its candles' reach in time.

    ``spans`` is all the time that an import of this file has ever spoken of, as it was declared or by its candles.
    """

    path: Path
    file: str
    candles: int
    quarantined: int
    first_ts: datetime | None
    last_ts: datetime | None
    spans: tuple[SourceSpan, ...]

    def cohort_days(self) -> set[date]:
        """Cohort days whose slices this file can change, those of an earlier declaration included."""
        days: set[date] = set()
        for span in self.spans:
            first = (span.start - HOURS_AFTER).date()
            last = (span.end + HOURS_BEFORE).date()
            days |= {first + timedelta(days=offset) for offset in range((last - first).days + 1)}
        return days


def import_candle_file(runs: LakeRuns, path: Path, declaration: CandleFileDeclaration) -> ImportedFile:
    """Archive and read one candle file.

    The file is read before anything is stored: one that cannot be read, or has no valid candle, leaves no trace.
    Raises CandleFileError, StorageError.
    """
    _check(runs, path, declaration)
    return _store(runs, path, declaration)


def _store(runs: LakeRuns, path: Path, declaration: CandleFileDeclaration) -> ImportedFile:
    key = archive_file(runs, path, "candle_file").key
    before = _spans_of(runs, key)
    runs.materialize_partition(
        f"Reading {path.name}",
        ["imported_candles", "candles_quarantine"],
        key,
        config={"ops": {"imported_candles": {"config": {"declaration": declaration_to_config(declaration)}}}},
    )
    (candles,) = runs.lab.artifacts.heads(IMPORTED_CANDLES.name, f"file={key}")
    (quarantine,) = runs.lab.artifacts.heads(CANDLES_QUARANTINE.name, f"file={key}")
    return ImportedFile(
        path=path,
        file=key,
        candles=candles.row_count,
        quarantined=quarantine.row_count,
        first_ts=parse_timestamp(candles.min_ts) if candles.min_ts else None,
        last_ts=parse_timestamp(candles.max_ts) if candles.max_ts else None,
        spans=merge_spans([*before, *_spans_of(runs, key)]),
    )


def _spans_of(runs: LakeRuns, key: str) -> tuple[SourceSpan, ...]:
    """What the current import of the file speaks of: its declared spans, else from its first to its last candle."""
    for head in runs.lab.artifacts.heads(IMPORTED_CANDLES.name, f"file={key}"):
        declared = decode_spans(attributes_of(runs.lab.artifacts.read(head.artifact_id))["source_spans"])
        if declared:
            return declared
        if head.min_ts and head.max_ts:
            return (SourceSpan(parse_timestamp(head.min_ts), parse_timestamp(head.max_ts) + timedelta(minutes=1)),)
    return ()


def import_candle_files(
    runs: LakeRuns, paths: Sequence[Path], declaration: CandleFileDeclaration
) -> Intake[ImportedFile]:
    """Import several files under one declaration; one that cannot be read is refused and does not stop the others."""
    return take_in(paths, lambda path: _check(runs, path, declaration), lambda path: _store(runs, path, declaration))


def _check(runs: LakeRuns, path: Path, declaration: CandleFileDeclaration) -> None:
    report = read_candle_file(path, declaration, as_of=runs.lab.clock.now()).report
    if not report.valid:
        reasons = (
            ", ".join(f"{count} {rule}" for rule, count in report.rejected_by_rule.items()) or "none is a closed candle"
        )
        raise CandleFileError(f"{path}: not one of its {report.rows} rows is valid ({reasons}); nothing was imported")
