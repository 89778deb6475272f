"""A lake of the earlier store on disk: where its parts are, whether anybody has it open, a copy of its manifest."""

from __future__ import annotations

import shlex
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import apsw

from quantlab_core.errors import ConflictError, IntegrityError, LakeNotFoundError, StorageError
from quantlab_resources.adoption.earlier_rows import check_tables
from quantlab_resources.artifacts.files.durable_files import storage_errors, sync_directory
from quantlab_resources.artifacts.manifest.manifest_file import open_manifest
from quantlab_resources.artifacts.manifest.manifest_schema import EARLIER_STORE_VERSION, schema_version
from quantlab_resources.lake_paths import LakePaths

_PAGES_A_STEP = 4_096
_SIDE_FILES = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class EarlierLake:
    """Absolute paths of the manifest and of the folder that its artifacts are in."""

    manifest: Path
    artifacts_root: Path

    def is_at(self, paths: LakePaths) -> bool:
        """Whether this is the very lake that ``paths`` names."""
        return (self.manifest.resolve(), self.artifacts_root.resolve()) == (
            paths.manifest_db.resolve(),
            paths.artifacts_root.resolve(),
        )


def earlier_lake(path: Path, artifacts_root: Path | None = None) -> EarlierLake:
    """The lake at ``path``: its home, or its manifest. Raises LakeNotFoundError."""
    path = path.expanduser().absolute()
    with storage_errors(path):
        manifest = path / "manifest" / "manifest.sqlite" if path.is_dir() else path
        if not manifest.is_file():
            raise LakeNotFoundError(
                f"lake not found: there is no manifest at {manifest}; name the home of the earlier lake or its manifest"
            )
        root = (artifacts_root or manifest.parent.parent / "artifacts").expanduser().absolute()
        if not root.is_dir():
            raise LakeNotFoundError(
                f"lake not found: there is no folder {root}; name the one with the artifacts by --artifacts-root"
            )
    return EarlierLake(manifest, root)


def copy_manifest(manifest: Path, copy: Path) -> int:
    """Copy a manifest that nobody else has open, WAL included, and return the copy's schema version.

    The manifest is only read. Raises ConflictError while another process has it open, InvalidInputError when it is none
    of the earlier store's, IntegrityError when it is damaged, StorageError. Nothing is left of the copy then.
    """
    has_wal = _has_content(manifest.with_name(manifest.name + "-wal"))
    try:
        with closing(open_manifest(manifest)) as held:
            held.set_busy_timeout(0)
            if has_wal:  # what it holds stays there; an empty one goes when it is closed
                held.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            if not held.open_flags & apsw.SQLITE_OPEN_READONLY:
                # In this mode a transaction needs the file for itself, even from those who have it open and rest.
                held.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
                held.execute("BEGIN IMMEDIATE; COMMIT")
            return _copied(held, copy)
    except apsw.BusyError:
        raise ConflictError(
            f"{manifest} is open in another process; nothing was changed, end that process and repeat"
        ) from None
    except (apsw.CorruptError, apsw.NotADBError, apsw.SQLError, UnicodeDecodeError) as error:
        raise IntegrityError(f"{manifest} is damaged or no manifest ({error}); nothing was changed") from error
    except apsw.Error as error:
        raise StorageError(f"{manifest} cannot be copied to {copy} ({error}); nothing was changed") from error


def _has_content(path: Path) -> bool:
    with storage_errors(path):
        return path.is_file() and path.stat().st_size > 0


def _copied(held: apsw.Connection, copy: Path) -> int:
    try:
        with closing(open_manifest(copy, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)) as target:
            with target.backup("main", held, "main") as backup:
                while not backup.done:
                    backup.step(_PAGES_A_STEP)
            check_tables(target, Path(held.filename))
            version = schema_version(target)
        sync_directory(copy.parent)
    except BaseException:
        for suffix in ("", *_SIDE_FILES):
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)
        raise
    return version


def is_of_earlier_store(version: int) -> bool:
    """Whether a manifest of this schema version was never migrated by quantlab."""
    return version <= EARLIER_STORE_VERSION


def copy_name(manifest: Path, now: datetime) -> Path:
    """Where the copy is put that an adoption begins with: a name that is free."""
    stem, number = f"{manifest.name}.before-adoption-{now:%Y%m%dT%H%M%SZ}", 1
    copy = manifest.with_name(f"{stem}.sqlite")
    while copy.exists():
        number += 1
        copy = manifest.with_name(f"{stem}-{number}.sqlite")
    return copy


def undo_line(paths: LakePaths, copy: Path) -> str:
    """The shell command that puts the copied manifest back and removes the events that were written after it."""
    manifest, copied, events = (shlex.quote(str(path)) for path in (paths.manifest_db, copy, paths.events))
    put_back = f"rm -f {manifest}-wal {manifest}-shm && mv -f {copied} {manifest}"
    return f"{put_back} && find {events} -type f -newer {manifest} -delete"
