"""The earlier store's way of publishing a slice, re-enacted step by step: what the publish benchmark is compared with.

For every publish it opened the manifest and ran the migration script, wrote the table through a DuckDB connection made
for it, hashed it as rows of text, and wrote an indented sidecar. Nothing was synced but SQLite's commit.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import uuid
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pandas as pd

from benchmarks.workload import candle_slice

_MIGRATION = """
PRAGMA journal_mode = WAL;
PRAGMA foreign_keys = ON;
CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS artifacts (
    artifact_id TEXT PRIMARY KEY, artifact_type TEXT NOT NULL, schema_version INTEGER NOT NULL,
    logical_key TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'superseded', 'tombstoned')),
    path_parquet TEXT NOT NULL, path_sidecar TEXT NOT NULL, file_hash TEXT NOT NULL UNIQUE, content_hash TEXT NOT NULL,
    row_count INTEGER NOT NULL, min_ts TEXT, max_ts TEXT,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')));
CREATE TABLE IF NOT EXISTS artifact_lineage (
    artifact_id TEXT NOT NULL REFERENCES artifacts ON DELETE CASCADE,
    input_artifact_id TEXT NOT NULL REFERENCES artifacts ON DELETE CASCADE,
    PRIMARY KEY (artifact_id, input_artifact_id));
CREATE TABLE IF NOT EXISTS artifact_tags (
    artifact_id TEXT NOT NULL REFERENCES artifacts ON DELETE CASCADE, k TEXT NOT NULL, v TEXT NOT NULL,
    PRIMARY KEY (artifact_id, k, v));
CREATE TABLE IF NOT EXISTS artifact_supersedes (
    artifact_id TEXT PRIMARY KEY REFERENCES artifacts ON DELETE CASCADE,
    supersedes_artifact_id TEXT NOT NULL REFERENCES artifacts ON DELETE RESTRICT);
CREATE INDEX IF NOT EXISTS idx_artifacts_type_key ON artifacts (artifact_type, logical_key);
CREATE INDEX IF NOT EXISTS idx_artifacts_content_hash ON artifacts (content_hash);
CREATE INDEX IF NOT EXISTS idx_artifacts_type_key_content ON artifacts (artifact_type, logical_key, content_hash);
INSERT OR IGNORE INTO schema_migrations VALUES (1, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'));
"""
_TYPE, _VERSION = "ohlcv_slice_v2", 2
_COLUMNS = ("token_address", "timestamp", "open", "high", "low", "close", "volume")
_SORT_KEYS = ("token_address", "timestamp")
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


def earlier_slice(number: int, rows: int) -> pd.DataFrame:
    """`candle_slice` as the earlier store was given it: a pandas frame with its columns."""
    frame = candle_slice(number, rows).to_pandas().rename(columns={"ts": "timestamp"})
    frame["timestamp"] = frame["timestamp"].dt.tz_localize(None)
    return frame[list(_COLUMNS)]


class EarlierStore:
    """Publishes into ``folder``; holds nothing open between two publishes, as its command line did not."""

    def __init__(self, folder: Path) -> None:
        self._manifest = folder / "manifest.sqlite"
        self._staging = folder / "artifacts" / "_tmp"
        self._folder = folder / "artifacts" / _TYPE / f"v{_VERSION}"
        for path in (self._staging, self._folder):
            path.mkdir(parents=True)

    def publish(self, frame: pd.DataFrame) -> str:
        """Publish one slice; the id of the artifact that holds it."""
        key = f"token={frame['token_address'].iloc[0]}/res=1m/from=2025-05-01T00:00:00.000Z/to=2025-05-02T00:00:00.000Z"
        with closing(sqlite3.connect(self._manifest)) as manifest:
            manifest.executescript(_MIGRATION)
            staged = self._staging / f"{uuid.uuid4()}.parquet"
            content_hash, min_ts, max_ts = _written(frame, staged)
            file_hash = hashlib.sha256(staged.read_bytes()).hexdigest()
            known = manifest.execute(
                "SELECT artifact_id FROM artifacts WHERE file_hash = ?"
                " OR (artifact_type = ? AND logical_key = ? AND content_hash = ?)",
                (file_hash, _TYPE, key, content_hash),
            ).fetchone()
            if known is not None:
                staged.unlink()
                return str(known[0])
            stem = f"{_TYPE}__v{_VERSION}__{key.replace('/', '_')}__ch={content_hash[:8]}"
            parquet, sidecar = self._folder / f"{stem}.parquet", self._folder / f"{stem}.json"
            staged.rename(parquet)
            artifact_id = str(uuid.uuid4())
            times = {"min_ts": min_ts, "max_ts": max_ts}
            identity = {"file_hash": file_hash, "content_hash": content_hash, "row_count": len(frame), **times}
            sidecar.write_text(json.dumps(_sidecar(artifact_id, key, identity, parquet, sidecar), indent=2))
            with manifest:
                manifest.execute(
                    "INSERT INTO artifacts (artifact_id, artifact_type, schema_version, logical_key, path_parquet,"
                    " path_sidecar, file_hash, content_hash, row_count, min_ts, max_ts)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (artifact_id, _TYPE, _VERSION, key, str(parquet), str(sidecar), *identity.values()),
                )
                manifest.execute("INSERT INTO artifact_tags VALUES (?, 'chain', 'solana')", (artifact_id,))
        return artifact_id


def _written(frame: pd.DataFrame, path: Path) -> tuple[str, str, str]:
    """The hash of the rows as text, in order, and the limits of the times, of what is now in the file."""
    with closing(duckdb.connect()) as connection:
        connection.register("incoming", frame)
        connection.execute(f"COPY incoming TO '{path}' (FORMAT parquet, COMPRESSION snappy)")
        casts = [f"strftime({name}, '{_TIME_FORMAT}') AS {name}" if name == "timestamp" else name for name in _COLUMNS]
        connection.execute(f"CREATE VIEW canonical AS SELECT {', '.join(casts)} FROM read_parquet('{path}')")  # noqa: S608
        rows = connection.execute(f"SELECT * FROM canonical ORDER BY {', '.join(_SORT_KEYS)} NULLS LAST").fetchall()  # noqa: S608
        limits = connection.execute("SELECT min(timestamp), max(timestamp) FROM canonical").fetchall()
    digest = hashlib.sha256()
    for row in rows:
        text = "|".join("\\N" if value is None else str(value) for value in row)
        digest.update(f"{text}\n".encode())
    return digest.hexdigest(), *limits[0]


def _sidecar(
    artifact_id: str, key: str, identity: dict[str, object], parquet: Path, sidecar: Path
) -> dict[str, object]:
    return {
        "artifact_id": artifact_id,
        "artifact_type": _TYPE,
        "schema_version": _VERSION,
        "status": "active",
        "logical_key": key,
        "created_at": datetime.now(UTC).strftime(_TIME_FORMAT),
        "identity": {**identity, "canonical_cols": list(_COLUMNS), "sort_keys": list(_SORT_KEYS)},
        "provenance": {
            "writer": {"name": "benchmarks", "version": "1"},
            "git": {"commit": "0" * 40, "dirty": False},
            "params": {},
            "inputs": [],
        },
        "paths": {"parquet": str(parquet), "sidecar": str(sidecar)},
    }
