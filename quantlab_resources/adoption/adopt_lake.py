"""The whole adoption of an earlier lake: in place, or into another home.

The manifest is copied aside before anything is changed. Old files are read and nothing else.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from quantlab_core.artifacts.artifact_files import ArtifactFiles
from quantlab_core.errors import ArtifactMissingError, ConflictError, InvalidInputError
from quantlab_resources.adoption.adopt_rows import Progress, adopt_pending, adopt_rows
from quantlab_resources.adoption.adoption_report import AdoptionReport
from quantlab_resources.adoption.earlier_lake import (
    EarlierLake,
    copy_manifest,
    copy_name,
    is_of_earlier_store,
    undo_line,
)
from quantlab_resources.adoption.earlier_rows import RefusedRow, all_rows, read_row
from quantlab_resources.adoption.earlier_source import EarlierSource, RowsOfAnotherLake
from quantlab_resources.adoption.unregistered_files import folders_left_alone, unregistered_files
from quantlab_resources.advisory_lock import locked_unless_held
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.files.durable_files import discard, make_directory
from quantlab_resources.artifacts.files.local_artifact_files import LocalArtifactFiles
from quantlab_resources.artifacts.writers_lock import cleaning_up

_WAIT_S = 5.0


def adopt_lake(store: ParquetArtifactStore, lake: EarlierLake, progress: Progress | None = None) -> AdoptionReport:
    """Take ``lake`` over into the lake of ``store``, which may be the same place; repeating it finds nothing to do.

    Raises ConflictError while somebody else works with either of them, InvalidInputError when ``lake`` is none of the
    earlier store's, holds rows that cannot stay where they are, or none of its files is where it should be;
    IntegrityError, LakeNotFoundError, StorageError.
    """
    make_directory(store.paths.manifest_db.parent)
    with locked_unless_held(store.paths.manifest_db.with_name("adoption.lock")) as is_alone:
        if not is_alone:
            raise ConflictError(f"{store.paths.home}: another adoption is under way; nothing was changed")
        return _in_place(store, lake, progress) if lake.is_at(store.paths) else _from_elsewhere(store, lake, progress)


def _in_place(store: ParquetArtifactStore, lake: EarlierLake, progress: Progress | None) -> AdoptionReport:
    store.close()
    copy = copy_name(lake.manifest, store.clock.now())
    with cleaning_up(store.paths, wait_s=_WAIT_S) as is_alone:
        if not is_alone:
            raise ConflictError(f"{store.paths.home}: others are publishing; nothing was changed, repeat later")
        version = copy_manifest(lake.manifest, copy)
        try:
            if not is_of_earlier_store(version):
                discard(copy)
            else:
                rows = RowsOfAnotherLake(store, copy, store.files)
                _check_rows_can_stay(rows)
                _check_files_are_there(rows, lake.artifacts_root)
                store.manifest.create()
        except BaseException:
            discard(copy)
            raise
    report = adopt_pending(store, progress)
    if is_of_earlier_store(version):
        report.manifest_copy, report.undo = copy, undo_line(store.paths, copy)
    with store.manifest.reading() as connection:
        paths = [row[0] for row in connection.execute("SELECT path_parquet FROM artifacts")]
    _survey(report, store.files, lake, paths)
    return report


def _from_elsewhere(store: ParquetArtifactStore, lake: EarlierLake, progress: Progress | None) -> AdoptionReport:
    now = store.clock.now()
    files = LocalArtifactFiles(replace(store.paths, artifacts_root=lake.artifacts_root))
    theirs = store.paths.manifest_db.with_name(f"earlier-manifest-{now:%Y%m%dT%H%M%SZ}.sqlite")
    try:
        if not is_of_earlier_store(copy_manifest(lake.manifest, theirs)):
            raise InvalidInputError(
                f"{lake.manifest} is a manifest of quantlab already; copy its whole home instead, or work in it"
            )
        source = RowsOfAnotherLake(store, theirs, files)
        paths = _check_files_are_there(source, lake.artifacts_root)
        ParquetArtifactStore.create(store.paths, clock=store.clock, files=store.files)
        store.close()
        copy = copy_name(store.paths.manifest_db, now)
        copy_manifest(store.paths.manifest_db, copy)
        report = adopt_rows(store, source, progress)
    finally:
        for suffix in ("", "-wal", "-shm"):
            discard(theirs.with_name(theirs.name + suffix))
    if report.adopted or report.checked_again or report.heads:
        report.manifest_copy, report.undo = copy, undo_line(store.paths, copy)
    else:
        discard(copy)
    _survey(report, files, lake, paths)
    return report


def _check_rows_can_stay(source: EarlierSource) -> None:
    """A row that our queries cannot even list would stop the whole lake if it stayed in its manifest."""
    with source.reading() as connection:
        for number in all_rows(connection):
            row = read_row(connection, number)
            if isinstance(row, RefusedRow) and row.stops_a_lake:
                raise InvalidInputError(
                    f"row {number} of artifacts ({row.artifact_id or 'no id'}) cannot stay in a manifest: {row.reason};"
                    " nothing was changed; adopt into another home with --home, which leaves it out"
                )


def _check_files_are_there(source: EarlierSource, artifacts_root: Path) -> list[str]:
    """The stored paths of all rows. Raises InvalidInputError when there is not one of their files."""
    paths, is_there = [], False
    with source.reading() as connection:
        for number in all_rows(connection):
            row = read_row(connection, number)
            if not isinstance(row, RefusedRow):
                paths.append(row.values["path_parquet"])
                is_there = is_there or _is_there(source.files, paths[-1])
    if paths and not is_there:
        raise InvalidInputError(
            f"none of the {len(paths):,} files is below {artifacts_root}; name the folder with the artifacts by"
            " --artifacts-root; nothing was changed"
        )
    return paths


def _is_there(files: ArtifactFiles, name: str) -> bool:
    try:
        files.local_path(name)
    except ArtifactMissingError:
        return False
    return True


def _survey(report: AdoptionReport, files: ArtifactFiles, lake: EarlierLake, paths: list[str]) -> None:
    report.unregistered = unregistered_files(files, paths)
    report.left_alone = tuple(folders_left_alone(lake.artifacts_root, lake.manifest.parent.parent))
