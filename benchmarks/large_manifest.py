"""A manifest of any size in the real schema, as years of use would leave it; made by SQLite alone, without files.

Per million artifacts: raw files → messages → days of events → days of alerts → slices of candles → series of one token
→ frozen sets with 5,000 members → experiment definitions → results; 10 million edges, most of them members of sets.
One slice in a hundred was replaced, and the current set hundreds of times.
"""

# ruff: noqa: S608 - all text is made here, from numbers

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import apsw

from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore

_ID = "printf('%08x-%04x-5%03x-8000-%012x', ({n} * 2654435761) & 0xffffffff, {n} & 0xffff, {n} & 0xfff, {n})"
"""Artifact id number n: scattered over the alphabet as real ones are, and unique by its last part."""


@dataclass(frozen=True, slots=True)
class Range:
    """Artifacts ``first`` to ``last`` are of one type; ``count`` of them."""

    first: int
    count: int

    @property
    def last(self) -> int:
        """Number of the last one."""
        return self.first + self.count - 1


@dataclass(frozen=True, slots=True)
class LargeManifest:
    """Which numbers are what, and how many edges there are. `artifact_id` gives the id of a number."""

    artifacts: int
    edges: int
    members: int
    raw: Range
    messages: Range
    events: Range
    alerts: Range
    slices: Range
    series: Range
    sets: Range
    definitions: Range
    results: Range


def artifact_id(number: int) -> str:
    """The id of artifact ``number``."""
    scattered = (number * 2654435761) & 0xFFFFFFFF
    return f"{scattered:08x}-{number & 0xFFFF:04x}-5{number & 0xFFF:03x}-8000-{number:012x}"


def fill(store: ParquetArtifactStore, artifacts: int) -> LargeManifest:
    """Fill the manifest of a new lake with so many artifacts and about ten times as many edges."""
    store.close()
    connection = apsw.Connection(str(store.manifest.path))
    try:
        connection.execute(
            "PRAGMA journal_mode = DELETE; PRAGMA journal_mode = OFF; PRAGMA foreign_keys = OFF;"
            " PRAGMA synchronous = OFF; PRAGMA cache_size = -500000; PRAGMA temp_store = FILE"
        ).fetchall()
        plan = _plan(artifacts)
        indexes = list(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql NOT NULL"))
        with connection:
            for name, _ in indexes:
                connection.execute(f'DROP INDEX "{name}"')
            _insert_artifacts(connection, plan)
            _insert_edges(connection, plan)
            _insert_history(connection, plan)
        for _, sql in indexes:
            connection.execute(sql)
        edges: int = connection.execute("SELECT count(*) FROM artifact_lineage").get
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
    finally:
        connection.close()
    return LargeManifest(edges=edges, **plan)


def _plan(artifacts: int) -> dict[str, Any]:
    shares = {
        "raw": 0.002,
        "messages": 0.001,
        "events": 0.036,
        "alerts": 0.036,
        "series": 0.2,
        "sets": 0.0016,
        "definitions": 0.02,
        "results": 0.1,
    }
    counts = {name: max(1, round(share * artifacts)) for name, share in shares.items()}
    counts["slices"] = artifacts - sum(counts.values())
    ranges, first = {}, 1
    for name in ("raw", "messages", "events", "alerts", "slices", "series", "sets", "definitions", "results"):
        ranges[name] = Range(first, counts[name])
        first += counts[name]
    return {"artifacts": artifacts, "members": min(5_000, counts["series"]), **ranges}


def _insert_artifacts(connection: apsw.Connection, plan: dict[str, Any]) -> None:
    connection.execute(
        "CREATE TEMP TABLE numbered (n INTEGER PRIMARY KEY, id TEXT, type TEXT, version INTEGER, key TEXT,"
        " status TEXT, at TEXT)"
    )
    slices, series, sets = plan["slices"], plan["series"], plan["sets"]
    days = "date('2020-01-01', '+' || ({i} / 16) || ' days')"
    kinds = {
        "raw": ("raw_file_v1", 1, "'kind=telegram_export/sha256=' || printf('%064x', n)"),
        "messages": ("telegram_messages_v1", 1, "'group=' || {i}"),
        "events": ("alerts_event_v1", 2, f"'day=' || {days} || '/chain=' || ({{i}} % 16)"),
        "alerts": ("alerts_v1", 2, f"'day=' || {days} || '/chain=' || ({{i}} % 16)"),
        # Every hundredth slice has the key of the one before it, which it replaced.
        "slices": (
            "ohlcv_slice_v2",
            3,
            "'token=' || printf('%044d', {i} - ({i} % 100 = 99)) || '/chain=solana/res=1m'",
        ),
        "series": ("token_candles_v1", 1, "'token=' || printf('%044d', {i}) || '/chain=solana/res=1m'"),
        # Half of the sets are versions of the current one.
        "sets": (
            "artifact_set",
            1,
            f"'of=candles/selection=' || CASE WHEN {{i}} < {sets.count // 2} THEN 'current' ELSE 'x' || n END",
        ),
        "definitions": ("experiment_definition_v1", 1, "'experiment=e' || {i} || '/definition'"),
        "results": ("experiment_trades", 2, "'experiment=e' || ({i} / 5) || '/part' || ({i} % 5)"),
    }
    for name, (type_, version, key) in kinds.items():
        part: Range = plan[name]
        i = f"(n - {part.first})"
        connection.execute(
            f"WITH RECURSIVE c (n) AS (SELECT {part.first} UNION ALL SELECT n + 1 FROM c WHERE n < {part.last})"
            f" INSERT INTO temp.numbered SELECT n, {_ID.format(n='n')}, '{type_}', {version}, {key.format(i=i)},"
            " 'active', strftime('%Y-%m-%dT%H:%M:%fZ', '2022-01-01', '+' || (n * 100) || ' seconds') FROM c"
        )
    connection.execute(
        f"UPDATE temp.numbered SET status = 'superseded' WHERE n BETWEEN {slices.first} AND {slices.last}"
        f" AND (n - {slices.first}) % 100 = 98 AND n < {slices.last};"
        f"UPDATE temp.numbered SET status = 'superseded'"
        f" WHERE n >= {sets.first} AND n < {sets.first + sets.count // 2 - 1};"
        f"UPDATE temp.numbered SET status = 'tombstoned' WHERE n BETWEEN {series.first} AND {series.last}"
        f" AND (n - {series.first}) % 1000 = 999"
    )
    connection.execute(
        "INSERT INTO artifacts (artifact_id, artifact_type, schema_version, logical_key, status, path_parquet,"
        " path_sidecar, file_hash, content_hash, row_count, min_ts, max_ts, created_at, byte_size, published_seq)"
        " SELECT id, type, version, key, status, type || '/v' || version || '/' || id || '.parquet',"
        " type || '/v' || version || '/' || id || '.json', printf('sha256:%064x', (n * 40503) & 0xffffff) || n,"
        " printf('qlh1:%064x', (n * 2654435761) & 0xffffffff) || n, 1440, at, at, at, 50000, n"
        " FROM temp.numbered"
    )


def _insert_edges(connection: apsw.Connection, plan: dict[str, Any]) -> None:
    def modulo(name: str, number: str) -> str:
        return f"{plan[name].first} + ({number}) % {plan[name].count}"

    def range_of(name: str) -> str:
        part: Range = plan[name]
        return f"SELECT n, n - {part.first} AS i FROM temp.numbered WHERE n BETWEEN {part.first} AND {part.last}"

    j = f"WITH RECURSIVE j (j) AS (SELECT 0 UNION ALL SELECT j + 1 FROM j WHERE j + 1 < {plan['members']})"
    connection.execute("CREATE TEMP TABLE edge (n INTEGER, input INTEGER)")
    for user, inputs in (
        ("messages", [modulo("raw", "i")]),
        ("events", [modulo("messages", "i / 36")]),
        ("alerts", [modulo("events", "i")]),
        ("slices", [modulo("alerts", "i / 17"), modulo("raw", "i / 400")]),
        ("series", [modulo("slices", f"3 * i + {k}") for k in range(3)]),
        ("definitions", [modulo("sets", "i"), modulo("alerts", "i")]),
        ("results", [modulo("definitions", "i / 5")]),
    ):
        for input_ in inputs:
            connection.execute(f"INSERT INTO temp.edge SELECT n, {input_} FROM ({range_of(user)})")
    connection.execute(
        f"{j} INSERT INTO temp.edge SELECT n, {modulo('series', '37 * i + j.j')} FROM ({range_of('sets')}), j"
    )
    connection.execute(
        f"INSERT INTO artifact_lineage SELECT {_ID.format(n='n')} AS id, {_ID.format(n='input')} FROM temp.edge"
        " ORDER BY (n * 2654435761) & 0xffffffff, (input * 2654435761) & 0xffffffff"
    )
    # Those of the sets are left out: they repeat eight of ten million edges, and no figure asks for them.
    sets: Range = plan["sets"]
    connection.execute(
        f"INSERT INTO publication_inputs SELECT n, 1, {_ID.format(n='input')} FROM temp.edge"
        f" WHERE n NOT BETWEEN {sets.first} AND {sets.last} ORDER BY n, (input * 2654435761) & 0xffffffff"
    )


def _insert_history(connection: apsw.Connection, plan: dict[str, Any]) -> None:
    """Publications, heads and why they changed, tombstones, tags, the journal of the experiments."""
    slices, definitions, results = plan["slices"], plan["definitions"], plan["results"]
    connection.execute(
        "INSERT INTO publications SELECT n, 1, id, 0, NULL, 'benchmarks', '1', '0', 0, '{}', at FROM temp.numbered;"
        "INSERT INTO events SELECT n, at, printf('%064x', n) FROM temp.numbered;"
        "INSERT INTO artifact_heads SELECT type, key, id, n FROM temp.numbered WHERE status = 'active';"
        "INSERT INTO head_changes SELECT b.n, 3, b.type, b.key, b.id, a.id, 'corrected', b.at"
        " FROM temp.numbered a JOIN temp.numbered b ON b.n = a.n + 1 WHERE a.status = 'superseded';"
        "INSERT INTO artifact_supersedes SELECT b.id, a.id"
        " FROM temp.numbered a JOIN temp.numbered b ON b.n = a.n + 1 WHERE a.status = 'superseded';"
        "INSERT INTO tombstones SELECT id, n, 'withdrawn', at FROM temp.numbered WHERE status = 'tombstoned';"
        # Frequent, of a thousand artifacts, and of a few.
        f"INSERT INTO artifact_tags SELECT id, 'quality', 'checked' FROM temp.numbered WHERE n BETWEEN {slices.first}"
        f" AND {slices.first + slices.count // 4};"
        f"INSERT INTO artifact_tags SELECT id, 'import', 'i' || (n / 1000) FROM temp.numbered"
        f" WHERE n BETWEEN {slices.first} AND {slices.first + slices.count // 4};"
        f"INSERT INTO artifact_tags SELECT id, 'experiment_id', 'e' || (n - {definitions.first})"
        f" FROM temp.numbered WHERE n BETWEEN {definitions.first} AND {definitions.last};"
        f"INSERT INTO artifact_tags SELECT id, 'experiment_id', 'e' || ((n - {results.first}) / 5)"
        f" FROM temp.numbered WHERE n BETWEEN {results.first} AND {results.last};"
        f"INSERT INTO experiment_journal SELECT n, 'e' || (n - {definitions.first}), 1, 'completed', at, NULL, '{{}}'"
        f" FROM temp.numbered WHERE n BETWEEN {definitions.first} AND {definitions.last}"
    )
