"""The candle source over a folder of candle files that were not imported."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pyarrow as pa

from quantlab_core.artifacts.artifact import Artifact, ArtifactStatus
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.candles.artifact_types import IMPORTED_CANDLES
from quantlab_core.candles.candle_source import CandleRequest, SourcedCandles
from quantlab_core.clock import Clock
from quantlab_core.errors import CandleSourceError, QuantlabError
from quantlab_resources.candles.candle_declaration import CandleFileDeclaration
from quantlab_resources.candles.candle_file import read_candle_file
from quantlab_resources.candles.imported_candle_source import ImportedCandleSource
from quantlab_resources.folder_listing import files_below

SOURCE_NAME = "folder"


class FolderCandleSource:
    """Answers from every file below a folder as if it had been imported without a declaration.

    A file has to say everything itself; one that leaves something open is refused by name, since leaving it out would
    pass for silence. The files are no artifacts: answers name no inputs, so a slice cannot be traced to its file. Files
    whose names begin with a dot are left out. A file is read again when its size or time has changed.
    """

    def __init__(self, folder: Path, *, clock: Clock) -> None:
        self._files = _FilesAsArtifacts(folder, clock)
        self._source = ImportedCandleSource(cast(ArtifactStore, self._files))

    def fetch(self, request: CandleRequest) -> SourcedCandles:
        """The candles of one token, as `CandleSource.fetch`."""
        return self.fetch_many([request])[0]

    def fetch_many(self, requests: Sequence[CandleRequest], *, asked_by: str = "") -> list[SourcedCandles]:
        """The answers in the order of the requests. Raises CandleSourceError."""
        answers = self._source.fetch_many(requests, asked_by=asked_by)
        return [replace(answer, source=SOURCE_NAME, input_artifact_ids=()) for answer in answers]

    def holds_any(self) -> bool:
        """Whether there is any file."""
        return bool(self._files.paths())

    def fingerprint(self) -> str:
        """Of the files as they are: their names, sizes and times. Raises CandleSourceError for a missing folder."""
        return f"{SOURCE_NAME} {self._source.fingerprint().partition(' ')[2]}"


@dataclass(slots=True)
class _FilesAsArtifacts:
    """What `ImportedCandleSource` asks a store for, out of files that lie somewhere."""

    folder: Path
    clock: Clock
    _found: dict[str, Path] = field(default_factory=dict)

    def paths(self) -> list[Path]:
        if not self.folder.is_dir():
            raise CandleSourceError(f"{self.folder}: there is no such folder; check QUANTLAB_CANDLES")
        listed = sorted(Path(path) for path, _ in files_below(self.folder))
        return [path for path in listed if not any(p.startswith(".") for p in path.relative_to(self.folder).parts)]

    def heads(self, artifact_type: str, key_prefix: str = "") -> list[Artifact]:
        self._found = {_identity(path): path for path in self.paths()}
        return [_artifact(identity, path) for identity, path in self._found.items()]

    def read(self, artifact_id: str) -> pa.Table:
        path = self._found[artifact_id]
        try:
            changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            return read_candle_file(path, CandleFileDeclaration(), as_of=min(changed, self.clock.now())).candles
        except (QuantlabError, OSError) as error:
            raise CandleSourceError(
                f"{error}; nothing was taken; `quantlab ohlcv import` takes files with a declaration"
            ) from error


def _identity(path: Path) -> str:
    seen = path.stat()
    return hashlib.sha256(f"{path}\n{seen.st_size}\n{seen.st_mtime_ns}".encode()).hexdigest()


def _artifact(identity: str, path: Path) -> Artifact:
    return Artifact(
        artifact_id=identity,
        artifact_type=IMPORTED_CANDLES.name,
        schema_version=IMPORTED_CANDLES.version,
        logical_key=f"file={path.name}",
        status=ArtifactStatus.ACTIVE,
        path_parquet=str(path),
        path_sidecar="",
        file_hash="",
        content_hash="",
        row_count=0,
        created_at="",
    )
