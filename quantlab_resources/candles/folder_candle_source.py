"""The candle source over a folder of candle files that were not imported."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from quantlab_core.artifacts.artifact import Artifact, ArtifactStatus
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.candles.artifact_types import IMPORTED_CANDLES
from quantlab_core.candles.candle_source import CandleRequest, RejectedCandle, SourcedCandles
from quantlab_core.clock import Clock
from quantlab_core.errors import CandleSourceError, QuantlabError
from quantlab_core.token import EVM_UNKNOWN
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.candles.files.candle_file import read_candle_file
from quantlab_resources.candles.imported_candle_source import ImportedCandleSource
from quantlab_resources.folder_listing import files_below

SOURCE_NAME = "folder"
SUFFIXES = frozenset({".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".feather", ".arrow"})
"""Names of files that may hold candles end so; a note or a picture beside them is none."""


class FolderCandleSource:
    """Answers from every file below a folder as if it had been imported without a declaration.

    A file has to say everything itself; one that leaves something open is refused by name, since leaving it out would
    pass for silence. So is one with rows from after the time at which it was written, as copies and unpacked archives
    can have: which of its candles were closed cannot be told. Rows that are no candles go with the answer for their
    token; those whose token cannot be read go with the answers for every token of their file. The files are no
    artifacts: answers name no inputs, so a slice cannot be traced to its file. Files whose names begin with a dot or do
    not end as `SUFFIXES` are left out. A file is read again when its size or time has changed.
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
        rejected = self._files.rejected()
        return [
            replace(
                answer,
                source=SOURCE_NAME,
                input_artifact_ids=(),
                rejections=answer.rejections or rejected.of(request, set(answer.input_artifact_ids)),
            )
            for request, answer in zip(requests, answers, strict=True)
        ]

    def holds_any(self) -> bool:
        """Whether there is any file."""
        return bool(self._files.paths())

    def fingerprint(self) -> str:
        """Of the files as they are: their names, sizes and times. Raises CandleSourceError for a missing folder."""
        return f"{SOURCE_NAME} {self._source.fingerprint().partition(' ')[2]}"


@dataclass(frozen=True, slots=True)
class _RejectedRow:
    """A row of ``candles_quarantine_v1`` and the file and resolution that it is of."""

    file: str
    resolution: str
    row: Mapping[str, Any]


class _RejectedRows:
    """Rejected rows of all files, to be found by the token that they name."""

    def __init__(self, rows: Iterable[_RejectedRow]) -> None:
        self._by_address: dict[str | None, list[_RejectedRow]] = defaultdict(list)
        for row in rows:
            self._by_address[row.row["token_address"]].append(row)

    def of(self, request: CandleRequest, answering: Collection[str]) -> tuple[RejectedCandle, ...]:
        """Those of the request's token and window; of files in ``answering`` also those that name no token."""
        named = [
            row
            for row in self._by_address.get(request.token_address, ())
            if row.row["chain"] == request.chain or (request.chain == EVM_UNKNOWN and row.file in answering)
        ]
        nameless = [row for row in self._by_address.get(None, ()) if row.file in answering]
        return tuple(
            RejectedCandle(
                token_address=request.token_address,
                chain=request.chain,
                **{name: found.row[name] for name in ("ts", "rule_id", "rule_version", "reason", "payload")},
            )
            for found in (*named, *nameless)
            if found.resolution == request.resolution
            and (found.row["ts"] is None or request.start <= found.row["ts"] < request.end)
        )


@dataclass(slots=True)
class _FilesAsArtifacts:
    """What `ImportedCandleSource` asks a store for, out of files that lie somewhere."""

    folder: Path
    clock: Clock
    _found: dict[str, Path] = field(default_factory=dict)
    _rejected: dict[str, list[_RejectedRow]] = field(default_factory=dict)

    def rejected(self) -> _RejectedRows:
        """The rejected rows of the files that are there now, once these have been read."""
        return _RejectedRows(row for identity in self._found for row in self._rejected.get(identity, ()))

    def paths(self) -> list[Path]:
        if not self.folder.is_dir():
            raise CandleSourceError(f"{self.folder}: there is no such folder; check QUANTLAB_CANDLES")
        listed = sorted(
            path for path in (Path(p) for p, _ in files_below(self.folder)) if path.suffix.lower() in SUFFIXES
        )
        return [path for path in listed if not any(p.startswith(".") for p in path.relative_to(self.folder).parts)]

    def heads(self, artifact_type: str, key_prefix: str = "") -> list[Artifact]:
        self._found = {_identity(path): path for path in self.paths()}
        return [_artifact(identity, path, path.relative_to(self.folder)) for identity, path in self._found.items()]

    def read(self, artifact_id: str) -> pa.Table:
        path = self._found[artifact_id]
        try:
            now = self.clock.now()
            changed = min(datetime.fromtimestamp(path.stat().st_mtime, UTC), now)
            file = read_candle_file(path, CandleFileDeclaration(), as_of=changed)
        except (QuantlabError, OSError) as error:
            raise CandleSourceError(
                f"{error}; nothing was taken; `quantlab ohlcv import` takes files with a declaration"
            ) from error
        rows = file.quarantine.to_pylist()
        _refuse_rows_after_their_file(path, rows, changed, now)
        resolution = file.report.resolution
        self._rejected[artifact_id] = [_RejectedRow(artifact_id, resolution, row) for row in rows]
        return file.candles


def _refuse_rows_after_their_file(
    path: Path, rows: Iterable[Mapping[str, Any]], changed: datetime, now: datetime
) -> None:
    """Raises CandleSourceError where rows lie between the file's time and now; those after now are just wrong."""
    late = [row["ts"] for row in rows if row["rule_id"] == "time_in_future" and changed < row["ts"] <= now]
    if late:
        raise CandleSourceError(
            f"{path}: {len(late):,} of its rows are from after {changed:%Y-%m-%d %H:%M:%S} UTC, when it was written "
            f"(the last from {max(late):%Y-%m-%d %H:%M}), so which of its candles were closed cannot be told; nothing "
            "was taken; `touch` the file if it is finished, or import it with --fetched-at"
        )


def _identity(path: Path) -> str:
    seen = path.stat()
    return hashlib.sha256(f"{path}\n{seen.st_size}\n{seen.st_mtime_ns}".encode()).hexdigest()


def _artifact(identity: str, path: Path, name: Path) -> Artifact:
    return Artifact(
        artifact_id=identity,
        artifact_type=IMPORTED_CANDLES.name,
        schema_version=IMPORTED_CANDLES.version,
        logical_key=f"file={name.as_posix()}",
        status=ArtifactStatus.ACTIVE,
        path_parquet=str(path),
        path_sidecar="",
        file_hash="",
        content_hash="",
        row_count=0,
        created_at="",
    )
