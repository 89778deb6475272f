"""Candle files come in: archive them and store their valid candles in normal form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from quantlab_assets.workflows.archive import archive_file
from quantlab_assets.workflows.intake import Intake, take_in
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.artifacts.timestamp_text import parse_timestamp
from quantlab_core.candles.artifact_types import CANDLES_QUARANTINE, IMPORTED_CANDLES
from quantlab_core.candles.slices import HOURS_AFTER, HOURS_BEFORE
from quantlab_core.errors import CandleFileError
from quantlab_resources.candles.candle_file import CandleFileDeclaration, read_candle_file
from quantlab_resources.candles.declaration_config import declaration_to_config


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """One imported file: its partition key, its valid candles, its quarantined rows and its reach in time."""

    path: Path
    file: str
    candles: int
    quarantined: int
    first_ts: datetime | None
    last_ts: datetime | None

    def cohort_days(self) -> set[date]:
        """Cohort days whose slices these candles can change."""
        if self.first_ts is None or self.last_ts is None:
            return set()
        first = (self.first_ts - HOURS_AFTER).date()
        last = (self.last_ts + HOURS_BEFORE).date()
        return {first + timedelta(days=offset) for offset in range((last - first).days + 1)}


def import_candle_file(runs: LakeRuns, path: Path, declaration: CandleFileDeclaration) -> ImportedFile:
    """Archive and read one candle file.

    The file is read before anything is stored: one that cannot be read, or has no valid candle, leaves no trace.
    Raises CandleFileError, StorageError.
    """
    _check(runs, path, declaration)
    return _store(runs, path, declaration)


def _store(runs: LakeRuns, path: Path, declaration: CandleFileDeclaration) -> ImportedFile:
    key = archive_file(runs, path, "candle_file").key
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
    )


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
