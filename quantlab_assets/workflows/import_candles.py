"""Candle files come in: archive them and store their valid candles in normal form."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from quantlab_assets.imported_candles import DECLARATION, REPLACED_BY, last_import
from quantlab_assets.partitions import file_key
from quantlab_assets.workflows.archive import archive_file
from quantlab_assets.workflows.intake import Intake, take_in
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.alerts.artifact_types import TOKEN_CALLS
from quantlab_core.artifacts.any_version import read_newest
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.artifacts.logical_key import parse_key
from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.artifacts.timestamp_text import parse_timestamp
from quantlab_core.candles.artifact_types import CANDLES_QUARANTINE, IMPORTED_CANDLES
from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.candles.slices import days_reached
from quantlab_core.candles.source_spans import SourceSpan, decode_spans, merge_spans
from quantlab_core.candles.token_codes import token_codes
from quantlab_core.errors import CandleFileError, IntegrityError, InvalidInputError, NotFoundError
from quantlab_core.token import Token
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.candles.files.candle_file import CandleFileReport, read_candle_file
from quantlab_resources.candles.files.declaration_config import declaration_to_config
from quantlab_resources.lab import Lab


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """One imported file: its partition key, its valid candles, its quarantined rows and its candles' reach in time.

    ``spans`` is all the time that an import of this file, or of the one that it replaced, has ever spoken of, as it was
    declared or by its candles. ``report`` says how the file was read. ``replaced`` is the key of the file whose candles
    no longer count.
    """

    path: Path
    file: str
    candles: int
    quarantined: int
    first_ts: datetime | None
    last_ts: datetime | None
    spans: tuple[SourceSpan, ...]
    report: CandleFileReport
    price_unit: str
    volume_unit: str
    replaced: str | None = None

    def cohort_days(self) -> set[date]:
        """Cohort days whose slices this file can change, those of an earlier declaration included."""
        return {day for span in self.spans for day in days_reached(span.start, span.end)}


def import_candle_file(
    runs: LakeRuns, path: Path, declaration: CandleFileDeclaration, *, replaces: str | None = None
) -> ImportedFile:
    """Archive and read one candle file.

    The file is read before anything is stored: one that cannot be read, or has no valid candle, leaves no trace.
    ``replaces`` is the key or the path of a file that was imported earlier: its candles count no longer. Raises
    CandleFileError, NotFoundError (no such import), StorageError.
    """
    return _store(runs, path, declaration, _check(runs, path, declaration, replaces))


def import_candle_files(
    runs: LakeRuns, paths: Sequence[Path], declaration: CandleFileDeclaration, *, replaces: str | None = None
) -> Intake[ImportedFile]:
    """Import several files under one declaration; one that cannot be read is refused and does not stop the others.

    Only a single file can replace another.
    """
    if replaces is not None and len(paths) != 1:
        raise InvalidInputError(f"one file replaces another; {len(paths)} were given with --replaces {replaces}")
    checked: dict[Path, _Checked] = {}

    def check(path: Path) -> None:
        checked[path] = _check(runs, path, declaration, replaces)

    return take_in(paths, check, lambda path: _store(runs, path, declaration, checked[path]))


def uncalled_tokens(store: ArtifactStore, imported: Iterable[ImportedFile]) -> list[str]:
    """Tokens of these files that no alert has called so far, as their partition keys: no slice is cut of them.

    A call may leave the chain open, so addresses decide. Nothing before there are any calls, or where they cannot be
    read.
    """
    tokens = {token for file in imported for token in file.report.tokens}
    called: set[str] = set()
    counted = store.heads(TOKEN_CALLS.name)
    if not counted:
        return []
    for head in counted:
        try:
            called |= {mint.lower() for mint in read_newest(store, head)["mint"].unique().to_pylist()}
        except IntegrityError:
            return []
    return sorted(token for token in tokens if Token.from_partition_key(token).address.lower() not in called)


@dataclass(frozen=True, slots=True)
class _Checked:
    """A file that can be imported: how it reads, and the key of the file that it replaces."""

    report: CandleFileReport
    replaced: str | None


def _check(runs: LakeRuns, path: Path, declaration: CandleFileDeclaration, replaces: str | None) -> _Checked:
    read = read_candle_file(path, declaration, as_of=runs.lab.clock.now())
    report = read.report
    if not report.valid:
        raise CandleFileError(
            f"{path}: not one of its {report.rows} rows is valid ({_reasons(report)}); nothing was imported"
        )
    own_key = _key_of(path)
    replaced = None if replaces is None else imported_file_key(runs.lab, replaces)
    if replaced == own_key:
        raise CandleFileError(
            f"{path}: is the very file that it would replace; import it with another declaration and without --replaces"
        )
    successor = last_import(runs.lab, own_key).get(REPLACED_BY)
    if successor is not None and successor != replaced:
        raise CandleFileError(
            f"{path}: was replaced by file {successor}; to bring it back, import it with --replaces {successor}"
        )
    if replaced is not None:
        _refuse_lost_tokens(runs.lab, path, report, replaced)
    return _Checked(report, replaced)


def _reasons(report: CandleFileReport) -> str:
    reasons = [f"{count} {rule}" for rule, count in report.rejected_by_rule.items()]
    if report.empty_minutes:
        reasons.append(f"{report.empty_minutes} state that there was no trade")
    if report.open_candles:
        reasons.append(f"{report.open_candles} were open when the file was fetched")
    return ", ".join(reasons)


def _refuse_lost_tokens(lab: Lab, path: Path, report: CandleFileReport, replaced: str) -> None:
    (head,) = lab.artifacts.heads(IMPORTED_CANDLES.name, f"file={replaced}")
    lost = {token.partition_key for token in token_codes(lab.artifacts.read(head.artifact_id)).tokens}
    lost -= set(report.tokens)
    if lost:
        raise CandleFileError(
            f"{path}: has no candles of {min(lost)}, which file {replaced} has; "
            "a file replaces another when it holds all of its tokens"
        )


def imported_file_key(lab: Lab, named: str) -> str:
    """The key of an imported file by that key, the beginning of it, or the path of the file itself.

    Raises NotFoundError, and InvalidInputError where several begin so.
    """
    keys = [
        parse_key(IMPORTED_CANDLES, head.logical_key)["file"] for head in lab.artifacts.heads(IMPORTED_CANDLES.name)
    ]
    if Path(named).is_file():
        wanted = _key_of(Path(named))
        found = [key for key in keys if key == wanted]
    else:
        found = [key for key in keys if key.startswith(named)]
    if len(found) > 1:
        raise InvalidInputError(f"{len(found)} imported files have keys that begin with {named!r}; give more of it")
    if not found:
        raise NotFoundError(f"imported file {named!r} not found; name the key that its import showed, or its path")
    return found[0]


def _store(runs: LakeRuns, path: Path, declaration: CandleFileDeclaration, checked: _Checked) -> ImportedFile:
    key = archive_file(runs, path, "candle_file").key
    before = _spans_of(runs.lab, key)
    _materialize(runs, f"Reading {path.name}", key, {DECLARATION: declaration_to_config(declaration)})
    if checked.replaced is not None:
        before += _spans_of(runs.lab, checked.replaced)
        _materialize(runs, f"Replacing {checked.replaced}", checked.replaced, {REPLACED_BY: key})
    (candles,) = runs.lab.artifacts.heads(IMPORTED_CANDLES.name, f"file={key}")
    (quarantine,) = runs.lab.artifacts.heads(CANDLES_QUARANTINE.name, f"file={key}")
    attributes = attributes_of(runs.lab.artifacts.read(candles.artifact_id))
    return ImportedFile(
        path=path,
        file=key,
        candles=candles.row_count,
        quarantined=quarantine.row_count,
        first_ts=parse_timestamp(candles.min_ts) if candles.min_ts else None,
        last_ts=parse_timestamp(candles.max_ts) if candles.max_ts else None,
        spans=merge_spans([*before, *_spans_of(runs.lab, key)]),
        report=checked.report,
        price_unit=attributes["price_unit"],
        volume_unit=attributes["volume_unit"],
        replaced=checked.replaced,
    )


def _materialize(runs: LakeRuns, title: str, key: str, told: dict[str, Any]) -> None:
    config = {"ops": {"imported_candles": {"config": told}}}
    runs.materialize_partition(title, ["imported_candles", "candles_quarantine"], key, config=config)


def _spans_of(lab: Lab, key: str) -> tuple[SourceSpan, ...]:
    """What the latest import of the file with candles speaks of: its declared spans, else from first to last candle."""
    for artifact in lab.artifacts.find_by_logical_key(IMPORTED_CANDLES.name, f"file={key}"):
        if artifact.min_ts and artifact.max_ts:
            attributes = attributes_of(lab.artifacts.read(artifact.artifact_id))
            end = parse_timestamp(artifact.max_ts) + RESOLUTIONS[attributes["resolution"]]
            return decode_spans(attributes["source_spans"]) or (SourceSpan(parse_timestamp(artifact.min_ts), end),)
    return ()


def _key_of(path: Path) -> str:
    with path.open("rb") as file:
        return file_key(hashlib.file_digest(file, "sha256").hexdigest())
