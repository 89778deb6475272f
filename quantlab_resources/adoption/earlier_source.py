"""Where the rows and files of an adoption come from: this very lake, or another one whose files are copied."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import apsw

from quantlab_core.artifacts.artifact_files import ArtifactFiles
from quantlab_core.errors import ArtifactMissingError, StorageError
from quantlab_resources.adoption.earlier_rows import EarlierRow, RefusedRow, all_rows, pending_rows
from quantlab_resources.adoption.examination import Examination
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.files.file_names import name_in_lake
from quantlab_resources.artifacts.files.parquet_files import sha256_of
from quantlab_resources.artifacts.manifest.manifest_file import open_manifest


class EarlierSource(Protocol):
    """Rows of a manifest and the files that they name."""

    files: ArtifactFiles

    def reading(self) -> AbstractContextManager[apsw.Connection]:
        """A connection to the manifest that has the rows."""
        ...

    def rows(self, connection: apsw.Connection) -> list[int]:
        """Numbers of the rows to take over, oldest artifact first."""
        ...

    def bringing(self) -> AbstractContextManager[None]:
        """The block in which `bring` may be called, and in which the rows are recorded."""
        ...

    def bring(self, row: EarlierRow, found: Examination) -> EarlierRow | RefusedRow:
        """The row with the names under which its files are in the lake, where they are durable."""
        ...


class RowsInPlace:
    """Rows that the earlier store wrote into this lake's manifest; nothing has to be brought."""

    def __init__(self, store: ParquetArtifactStore) -> None:
        self.files = store.files
        self._store = store

    def reading(self) -> AbstractContextManager[apsw.Connection]:
        """The lake's own manifest."""
        return self._store.manifest.reading()

    def rows(self, connection: apsw.Connection) -> list[int]:
        """Those that were not taken over yet, or not whole."""
        return pending_rows(connection)

    def bringing(self) -> AbstractContextManager[None]:
        """Nothing is brought, so nobody has to be kept away."""
        return nullcontext()

    def bring(self, row: EarlierRow, found: Examination) -> EarlierRow | RefusedRow:
        """The row as it is: its files stay where they are."""
        return row


class RowsOfAnotherLake:
    """Rows of a copy of another lake's manifest; their files are copied under their own names."""

    def __init__(self, store: ParquetArtifactStore, manifest_copy: Path, files: ArtifactFiles) -> None:
        self.files = files
        self._store = store
        self._manifest_copy = manifest_copy

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """The copy of the other manifest. Raises StorageError when it cannot be opened or read."""
        try:
            with closing(open_manifest(self._manifest_copy)) as connection:
                yield connection
        except apsw.Error as error:
            raise StorageError(
                f"{self._manifest_copy} cannot be read ({error}); what was taken over before is whole, check the disk"
                " and repeat"
            ) from error

    def rows(self, connection: apsw.Connection) -> list[int]:
        """All of them; those that are here already are found when they are met."""
        return all_rows(connection)

    def bringing(self) -> AbstractContextManager[None]:
        """Recovery is kept away while files are there that no row names yet."""
        return self._store.publishing()

    def bring(self, row: EarlierRow, found: Examination) -> EarlierRow | RefusedRow:
        """Copy a file whose hash was confirmed, and the sidecar as it is. Damaged bytes stay where they are."""
        names = {name: name_in_lake(row.values[name]) or "" for name in ("path_parquet", "path_sidecar")}
        contents = {"path_parquet": found.data, "path_sidecar": self._sidecar(row)}
        put = []
        for field, data in contents.items():
            if data is None:
                continue
            if not self._put(names[field], data):
                return RefusedRow(row.number, row.artifact_id, f"{names[field]} is taken here by other bytes")
            put.append(names[field])
        self._store.files.make_durable(put)
        return replace(row, values={**row.values, **names})

    def _sidecar(self, row: EarlierRow) -> bytes | None:
        try:
            return self.files.read(row.values["path_sidecar"])
        except ArtifactMissingError:
            return None

    def _put(self, name: str, data: bytes) -> bool:
        files = self._store.files
        with files.staged([data]) as staged:
            return files.put_if_absent(name, staged) or sha256_of(files.read(name)) == sha256_of(data)
