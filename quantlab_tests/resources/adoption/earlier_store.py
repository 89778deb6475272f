"""A small writer of lakes as the earlier store left them, in its own words: stdlib SQLite, its file names, its
sidecars, and its content hash as DuckDB computed it. Nothing here knows how quantlab does the same.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

DDL = """
CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL);
CREATE TABLE artifacts (
    artifact_id TEXT PRIMARY KEY, artifact_type TEXT NOT NULL, schema_version INTEGER NOT NULL,
    logical_key TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'superseded', 'tombstoned')),
    path_parquet TEXT NOT NULL, path_sidecar TEXT NOT NULL, file_hash TEXT NOT NULL UNIQUE,
    content_hash TEXT NOT NULL, row_count INTEGER NOT NULL, min_ts TEXT, max_ts TEXT,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')));
CREATE TABLE artifact_lineage (
    artifact_id TEXT NOT NULL, input_artifact_id TEXT NOT NULL, PRIMARY KEY (artifact_id, input_artifact_id),
    FOREIGN KEY (artifact_id) REFERENCES artifacts (artifact_id) ON DELETE CASCADE,
    FOREIGN KEY (input_artifact_id) REFERENCES artifacts (artifact_id) ON DELETE CASCADE);
CREATE TABLE artifact_tags (
    artifact_id TEXT NOT NULL, k TEXT NOT NULL, v TEXT NOT NULL, PRIMARY KEY (artifact_id, k, v),
    FOREIGN KEY (artifact_id) REFERENCES artifacts (artifact_id) ON DELETE CASCADE);
CREATE TABLE artifact_supersedes (
    artifact_id TEXT PRIMARY KEY, supersedes_artifact_id TEXT NOT NULL,
    FOREIGN KEY (artifact_id) REFERENCES artifacts (artifact_id) ON DELETE CASCADE,
    FOREIGN KEY (supersedes_artifact_id) REFERENCES artifacts (artifact_id) ON DELETE RESTRICT);
CREATE INDEX idx_artifacts_type_key ON artifacts (artifact_type, logical_key);
CREATE INDEX idx_artifacts_content_hash ON artifacts (content_hash);
CREATE INDEX idx_artifacts_type_key_content ON artifacts (artifact_type, logical_key, content_hash);
INSERT INTO schema_migrations VALUES (1, '2025-01-01T00:00:00.000Z');
"""

E1 = "%Y-%m-%dT%H:%M:%fZ"
"""The edition that lost the seconds."""
E2 = "%Y-%m-%dT%H:%M:%S.%fZ"

TIMES = {
    "alerts_v1": ("alert_ts_utc",),
    "alerts_event_v1": ("event_ts_utc", "seen_at_utc"),
    "ohlcv_slice_v2": ("timestamp",),
}
SORT_KEYS = {
    "alerts_v1": ("alert_ts_utc", "chain", "mint", "alert_chat_id", "alert_message_id"),
    "alerts_event_v1": ("alert_key", "event_ts_utc", "seen_at_utc"),
    "ohlcv_slice_v2": ("token_address", "timestamp"),
    "experiment_trades": ("entry_time", "trade_id"),
    "experiment_curves": ("timestamp",),
    "experiment_metrics": ("total_trades",),
}
VERSIONS = {"ohlcv_slice_v2": 2}

FIRST_TOKEN = "4dAMSCFsAb17oDXteLAZ2QwsaF3jbdnjRZNzikhapump"  # noqa: S105 - a token is a coin here
SECOND_TOKEN = "87HFAAE93T6sxSAaj7JXVsDk8HzLgxWQDvVYTS8spump"  # noqa: S105
EVM_TOKEN = "0x6982508145454Ce325dDbE47a25d4ec3d2311933"  # noqa: S105


@dataclass(frozen=True)
class EarlierArtifact:
    """What the earlier store's publish gave back."""

    artifact_id: str
    artifact_type: str
    schema_version: int
    logical_key: str
    parquet: Path
    sidecar: Path
    file_hash: str
    content_hash: str


@dataclass
class EarlierStore:
    """A lake below ``home``. ``recorded_root`` is the artifacts root that its stored paths name (another machine's,
    say); None: the real one."""

    home: Path
    recorded_root: str | None = None
    clock: datetime = field(default=datetime(2025, 6, 1, tzinfo=UTC))
    published: list[EarlierArtifact] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.manifest = self.home / "manifest" / "manifest.sqlite"
        self.root = self.home / "artifacts"
        if not self.manifest.exists():
            self.manifest.parent.mkdir(parents=True)
            self.root.mkdir(parents=True)
            with self.sql() as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(DDL)
            connection.close()

    def sql(self) -> sqlite3.Connection:
        """A connection as the earlier store opened it; close it after use."""
        connection = sqlite3.connect(self.manifest)
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def execute(self, statement: str, bindings: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """One statement in a transaction of its own."""
        connection = self.sql()
        try:
            with connection:
                return connection.execute(statement, bindings).fetchall()
        finally:
            connection.close()

    def publish(
        self,
        artifact_type: str,
        logical_key: str,
        table: pa.Table,
        *,
        schema_version: int | None = None,
        edition: str = E2,
        codec: Literal["snappy", "zstd"] = "snappy",
        status: str = "active",
        tags: Sequence[tuple[str, str]] = (),
        inputs: Sequence[str] = (),
        supersedes: str | None = None,
        created_at: datetime | None = None,
        sort_keys: Sequence[str] | None = None,
    ) -> EarlierArtifact:
        """Write file, sidecar and rows as the earlier store did."""
        version = VERSIONS.get(artifact_type, 1) if schema_version is None else schema_version
        keys = list(SORT_KEYS.get(artifact_type, table.column_names[:1]) if sort_keys is None else sort_keys)
        times = [name for name in TIMES.get(artifact_type, ()) if name in table.column_names]
        content_hash, min_ts, max_ts = earlier_content_hash(table, times, keys, edition)
        self.clock += timedelta(seconds=1)
        made = self.clock if created_at is None else created_at
        artifact_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{len(self.published)} {artifact_type} {logical_key} {made}"))
        hint = logical_key.replace("/", "_").replace(" ", "_")
        name = f"{artifact_type}__v{version}__{hint}__ch={content_hash.removeprefix('sha256:')[:8]}"
        folder = self.root / artifact_type / f"v{version}"
        folder.mkdir(parents=True, exist_ok=True)
        parquet, sidecar = folder / f"{name}.parquet", folder / f"{name}.json"
        # The id in the footer stands for what made no two files of the earlier store alike.
        pq.write_table(table.replace_schema_metadata({"id": artifact_id}), parquet, compression=codec)
        file_hash = "sha256:" + hashlib.sha256(parquet.read_bytes()).hexdigest()
        recorded = self.recorded_root or str(self.root)
        paths = [f"{recorded}/{artifact_type}/v{version}/{path.name}" for path in (parquet, sidecar)]
        identity = {
            "file_hash": file_hash,
            "content_hash": content_hash,
            "row_count": table.num_rows,
            "min_ts": min_ts,
            "max_ts": max_ts,
        }
        sidecar.write_text(
            json.dumps(
                {
                    "artifact_id": artifact_id,
                    "artifact_type": artifact_type,
                    "schema_version": version,
                    "status": "active",
                    "logical_key": logical_key,
                    "created_at": made.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                    "identity": identity | {"canonical_cols": table.column_names, "sort_keys": keys},
                    "provenance": {
                        "writer": {"name": "earlier", "version": "0.9"},
                        "git": {"commit": "c" * 40, "dirty": False},
                        "params": {},
                        "inputs": list(inputs),
                    },
                    "paths": {"parquet": paths[0], "sidecar": paths[1]},
                },
                indent=2,
            )
        )
        self.insert(
            {
                "artifact_id": artifact_id,
                "artifact_type": artifact_type,
                "schema_version": version,
                "logical_key": logical_key,
                "status": status,
                "path_parquet": paths[0],
                "path_sidecar": paths[1],
                "created_at": made.strftime("%Y-%m-%dT%H:%M:%S.") + f"{made.microsecond // 1000:03d}Z",
                **identity,
            },
            tags=tags,
            inputs=inputs,
            supersedes=supersedes,
        )
        artifact = EarlierArtifact(
            artifact_id, artifact_type, version, logical_key, parquet, sidecar, file_hash, content_hash
        )
        self.published.append(artifact)
        return artifact

    def insert(
        self,
        row: Mapping[str, Any],
        *,
        tags: Sequence[tuple[str, str]] = (),
        inputs: Sequence[str] = (),
        supersedes: str | None = None,
    ) -> None:
        """The rows of one artifact, by the earlier writer's statements."""
        names = list(row)
        connection = self.sql()
        try:
            with connection:
                marks = ", ".join("?" * len(names))
                connection.execute(
                    f"INSERT INTO artifacts ({', '.join(names)}) VALUES ({marks})",  # noqa: S608 - names of columns
                    list(row.values()),
                )
                connection.executemany(
                    "INSERT INTO artifact_lineage (artifact_id, input_artifact_id) VALUES (?, ?)",
                    [(row["artifact_id"], input_id) for input_id in inputs],
                )
                connection.executemany(
                    "INSERT INTO artifact_tags (artifact_id, k, v) VALUES (?, ?, ?)",
                    [(row["artifact_id"], key, value) for key, value in tags],
                )
                if supersedes is not None:
                    connection.execute(
                        "INSERT INTO artifact_supersedes (artifact_id, supersedes_artifact_id) VALUES (?, ?)",
                        (row["artifact_id"], supersedes),
                    )
        finally:
            connection.close()


def earlier_content_hash(
    table: pa.Table, times: Sequence[str], sort_keys: Sequence[str], edition: str
) -> tuple[str, str | None, str | None]:
    """The content hash as DuckDB computed it, and the least and greatest of the first time column's texts."""

    def cast(name: str) -> str:
        quoted = f'"{name}"'
        return f"strftime(TRY_CAST({quoted} AS TIMESTAMP), '{edition}')" if name in times else quoted

    columns = ", ".join(f'{cast(name)} AS "{name}"' for name in table.column_names)
    order = ", ".join(f'"{name}" NULLS LAST' for name in sort_keys)
    connection = duckdb.connect()
    try:
        connection.register("stored", table)
        # The stored columns have the names of the cast ones: only outside the SELECT is the order that of the casts.
        rows = connection.execute(f"SELECT * FROM (SELECT {columns} FROM stored) ORDER BY {order}").fetchall()  # noqa: S608
    finally:
        connection.close()
    digest = hashlib.sha256()
    for row in rows:
        digest.update(("|".join("\\N" if value is None else str(value) for value in row) + "\n").encode())
    first = [row[table.column_names.index(times[0])] for row in rows] if times else []
    known = [text for text in first if text is not None]
    return "sha256:" + digest.hexdigest(), min(known, default=None), max(known, default=None)


def alerts(
    rows: Sequence[tuple[str, str, int | None]], chain: str = "solana", chat: int | None = -1001800000001
) -> pa.Table:
    """Rows of ``alerts_v1``: (time as text, mint, message id)."""
    return pa.table(
        {
            "alert_ts_utc": pa.array([row[0] for row in rows], pa.string()),
            "chain": pa.array([chain] * len(rows), pa.string()),
            "mint": pa.array([row[1] for row in rows], pa.string()),
            "alert_chat_id": pa.array([chat] * len(rows), pa.int64()),
            "alert_message_id": pa.array([row[2] for row in rows], pa.int64()),
            "alert_id": pa.array([f"{chat}:{row[2]}" for row in rows], pa.string()),
            "caller_name_norm": pa.array(["brook"] * len(rows), pa.string()),
            "caller_id": pa.array([None] * len(rows), pa.string()),
            "mint_source": pa.array(["alert_text"] * len(rows), pa.string()),
            "bot_name": pa.array([None] * len(rows), pa.string()),
            "run_id": pa.array(["run-1"] * len(rows), pa.string()),
        }
    )


def events(
    rows: Sequence[tuple[str, str, int | None]],
    chain: str = "solana",
    chat: int | None = -1001800000001,
    seen_at: str = "2026-01-27T07:04:10.779624Z",
) -> pa.Table:
    """Rows of ``alerts_event_v1``: (time as text, mint, message id)."""
    count = len(rows)
    return pa.table(
        {
            "alert_key": pa.array([f"{chat}:{row[2]}:{row[1]}" for row in rows], pa.string()),
            "event_ts_utc": pa.array([row[0] for row in rows], pa.string()),
            "seen_at_utc": pa.array([seen_at] * count, pa.string()),
            "ingest_source": pa.array(["telegram"] * count, pa.string()),
            "chain": pa.array([chain] * count, pa.string()),
            "mint": pa.array([row[1] for row in rows], pa.string()),
            "alert_chat_id": pa.array([chat] * count, pa.int64()),
            "alert_message_id": pa.array([row[2] for row in rows], pa.int64()),
            "alert_id": pa.array([f"{chat}:{row[2]}" for row in rows], pa.string()),
            "caller_name": pa.array(["Brook"] * count, pa.string()),
            "caller_name_norm": pa.array(["brook"] * count, pa.string()),
            "caller_id": pa.array(["caller_1"] * count, pa.string()),
            "mint_source": pa.array(["bot_card"] * count, pa.string()),
            "bot_name": pa.array(["phanes"] * count, pa.string()),
            "bot_message_id": pa.array([None] * count, pa.int64()),
            "bot_ts_ms": pa.array([None] * count, pa.int64()),
            "run_id": pa.array(["run-1"] * count, pa.string()),
        }
    )


def candles(token: str, start: datetime, minutes: int, price: float = 1.0, time: str = "timestamp") -> pa.Table:
    """Rows of ``ohlcv_slice_v2``, one per minute, the price rising by a thousandth of its start each minute.

    ``time`` is how they are written: timestamp (without a zone), text, s or ms.
    """
    stamps = [start + timedelta(minutes=minute) for minute in range(minutes)]
    written: dict[str, Any] = {
        "timestamp": lambda: pa.array([stamp.replace(tzinfo=None) for stamp in stamps], pa.timestamp("us")),
        "text": lambda: pa.array([stamp.strftime("%Y-%m-%dT%H:%M:%SZ") for stamp in stamps]),
        "s": lambda: pa.array([int(stamp.timestamp()) for stamp in stamps], pa.int64()),
        "ms": lambda: pa.array([int(stamp.timestamp()) * 1000 for stamp in stamps], pa.int64()),
    }
    closes = [price * (1 + minute / 1000) for minute in range(minutes)]
    return pa.table(
        {
            "token_address": pa.array([token] * minutes, pa.string()),
            "timestamp": written[time](),
            "open": pa.array(closes),
            "high": pa.array([close * 1.01 for close in closes], pa.float64()),
            "low": pa.array([close * 0.99 for close in closes], pa.float64()),
            "close": pa.array(closes),
            "volume": pa.array([100.0] * minutes, pa.float64()),
        }
    )


def slice_key(token: str, start: datetime, end: datetime) -> str:
    """The logical key of a slice of one-minute candles."""
    return f"token={token}/res=1m/from={start:%Y-%m-%dT%H:%M:%S.000Z}/to={end:%Y-%m-%dT%H:%M:%S.000Z}"


def small_earlier_lake(home: Path, *, recorded_root: str | None = None, minutes: int = 76 * 60) -> EarlierStore:
    """Three days of alerts (the first also on an EVM chain), events of two of them, a slice for each call, and the
    trades of one experiment; both editions of the hash and both codecs. A slice has its first ``minutes`` candles."""
    store = EarlierStore(home, recorded_root)
    days = [datetime(2025, 5, day, tzinfo=UTC) for day in (1, 2, 3)]
    calls = {
        days[0]: [("2025-05-01T12:00:07.250Z", FIRST_TOKEN, 11), ("2025-05-01T18:30:00Z", SECOND_TOKEN, 12)],
        days[1]: [("2025-05-02T09:15:30Z", FIRST_TOKEN, 21)],
        days[2]: [("2025-05-03T23:59:59.999Z", SECOND_TOKEN, 31)],
    }
    alert_ids = []
    for number, (day, rows) in enumerate(calls.items()):
        key = f"day={day:%Y-%m-%d}/chain=solana"
        edition = E1 if number == 0 else E2
        inputs = []
        if number < 2:
            inputs = [store.publish("alerts_event_v1", key, events(rows), codec="zstd").artifact_id]
        alert_ids.append(
            store.publish(
                "alerts_v1", key, alerts(rows), edition=edition, inputs=inputs, tags=[("era", "one"), ("era", "two")]
            ).artifact_id
        )
    evm = store.publish(
        "alerts_v1", "day=2025-05-01/chain=evm", alerts([("2025-05-01T13:00:00Z", EVM_TOKEN, 13)], chain="evm")
    )
    for number, (day, rows) in enumerate(calls.items()):
        for _, token, _ in rows:
            start, end = day - timedelta(hours=4), day + timedelta(hours=72)
            table = candles(token, start, minutes, price=1.0 + number)
            codec: Literal["snappy", "zstd"] = "zstd" if number else "snappy"
            store.publish("ohlcv_slice_v2", slice_key(token, start, end), table, codec=codec)
    trades = pa.table({"trade_id": ["a-0"], "call_id": ["a"], "entry_time": pa.array([1746100867250], pa.int64())})
    store.publish("experiment_trades", "experiment=old-1/trades", trades, inputs=[*alert_ids, evm.artifact_id])
    return store
