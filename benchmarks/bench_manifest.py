"""Questions to a manifest with a million artifacts and ten million edges, each about another artifact.

The figure is the median over many calls. Beside it: the slowest of twenty calls, the same by bare SQL, the naive way.
"""

from __future__ import annotations

import random
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import apsw

from benchmarks.large_manifest import LargeManifest, Range, artifact_id, fill
from benchmarks.measurement import Figure, Measured
from benchmarks.workload import Size, new_lake
from quantlab_core.artifacts.artifact import ArtifactFilter, ArtifactStatus
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.upkeep.staleness import impact

BYTES_PER_ARTIFACT = 8_000
"""What the manifest and SQLite's sorting take on disk while it is made; the file ends at about 5 GB for a million."""

Action = Callable[[], object]


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """Median times; raises SystemExit where the disk has no room for the manifest."""
    if shutil.disk_usage(folder).free < size.artifacts * BYTES_PER_ARTIFACT:
        raise SystemExit(
            f"{folder}: the manifest of this benchmark needs {size.artifacts * BYTES_PER_ARTIFACT:,} bytes"
        )
    store = new_lake(folder / "lake")
    large = fill(store, size.artifacts)
    with_connection = apsw.Connection(str(store.manifest.path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        yield from _Questions(store, large, with_connection, calls=40 * size.rounds or 2).figures()
    finally:
        with_connection.close()
        store.close()


class _Questions:
    def __init__(
        self, store: ParquetArtifactStore, large: LargeManifest, connection: apsw.Connection, *, calls: int
    ) -> None:
        self._store = store
        self._large = large
        self._connection = connection
        self._calls = calls
        self._chance = random.Random(1)

    def figures(self) -> Iterator[Figure]:
        store, large = self._store, self._large
        row, full = "SELECT * FROM artifacts WHERE artifact_id = ?", "SELECT * FROM artifacts WHERE +artifact_id = ?"
        anyone = Range(1, large.artifacts)
        yield self._figure(
            "get_artifact",
            lambda: store.get_artifact(self._one_of(anyone)),
            {
                "the row by bare SQL": lambda: self._sql(row, self._one_of(anyone)),
                "a full scan": lambda: self._sql(full, self._one_of(anyone)),
            },
        )
        by_key = "SELECT * FROM artifacts WHERE artifact_type = 'token_candles_v1' AND {}logical_key = ?"
        yield self._figure(
            "find_by_logical_key",
            lambda: store.find_by_logical_key("token_candles_v1", self._series_key()),
            {
                "the rows by bare SQL": lambda: self._sql(by_key.format(""), self._series_key()),
                "a scan of the type": lambda: self._sql(by_key.format("+"), self._series_key()),
            },
        )
        yield from self._lists()
        yield from self._walks()

    def _lists(self) -> Iterator[Figure]:
        slices = "ohlcv_slice_v2"
        import_ = f"i{(self._large.slices.first + self._large.slices.count // 8) // 1000}"
        of_type = "WHERE artifact_type = 'ohlcv_slice_v2'"
        tagged = "WHERE artifact_id IN (SELECT artifact_id FROM artifact_tags WHERE {})"
        sorted_ = "SELECT * FROM artifacts {} ORDER BY +created_at DESC LIMIT 101"
        frequent = tagged.format("k = 'quality' AND v = 'checked'")
        few = tagged.format(f"k = 'import' AND v = '{import_}'")
        for name, filter_, where in (
            ("all", ArtifactFilter(), ""),
            ("type", ArtifactFilter(artifact_type=slices), of_type),
            (
                "type, superseded",
                ArtifactFilter(artifact_type=slices, status=ArtifactStatus.SUPERSEDED),
                f"{of_type} AND status = 'superseded'",
            ),
            ("withdrawn", ArtifactFilter(status=ArtifactStatus.TOMBSTONED), "WHERE status = 'tombstoned'"),
            ("tag of a thousand", ArtifactFilter(tags={"import": import_}), few),
            ("frequent tag", ArtifactFilter(tags={"quality": "checked"}), frequent),
            (
                "type, frequent tag",
                ArtifactFilter(artifact_type=slices, tags={"quality": "checked"}),
                f"{frequent} AND artifact_type = 'ohlcv_slice_v2'",
            ),
            (
                "one day",
                ArtifactFilter(min_created_at="2022-01-03", max_created_at="2022-01-03"),
                "WHERE +created_at BETWEEN '2022-01-03' AND '2022-01-04'",
            ),
        ):
            yield self._figure(
                f"list of 100: {name}",
                lambda chosen=filter_: self._store.list_artifacts(chosen),
                {"read and sort all that match": lambda chosen=where: self._sql(sorted_.format(chosen))},
            )
        yield self._figure(
            "heads of one day",
            lambda: self._store.heads("alerts_v1", "day=2020-02-01"),
            {
                "a scan of the type": lambda: self._sql(
                    "SELECT * FROM artifacts WHERE artifact_type = 'alerts_v1' AND status = 'active'"
                    " AND +logical_key LIKE 'day=2020-02-01%'"
                )
            },
        )

    def _walks(self) -> Iterator[Figure]:
        store, large = self._store, self._large
        for name, part in (("series", large.series), ("slice", large.slices), ("result, 20,000 inputs", large.results)):
            yield self._figure(
                f"depth-3 lineage of a {name}",
                lambda part=part: store.get_lineage(self._one_of(part), 3),
                {"one SELECT per artifact": lambda part=part: self._one_by_one(self._one_of(part), 3)},
                calls=self._calls if part is not large.results else max(2, self._calls // 40),
            )
        for name, part in (("day of alerts", large.alerts), ("series", large.series), ("set", large.sets)):
            yield self._figure(
                f"depth-3 downstream of a {name}",
                lambda part=part: store.get_downstream(self._one_of(part), 3),
                {"one SELECT per artifact": lambda part=part: self._one_by_one(self._one_of(part), 3, down=True)},
                calls=max(2, self._calls // 10),
            )
        yield self._figure(
            "impact of a day of alerts, 100 shown",
            lambda: impact(store, self._one_of(large.alerts), limit=100),
            {"all downstream": lambda: store.get_downstream(self._one_of(large.alerts), None)},
            calls=max(2, self._calls // 100),
        )

    def _figure(self, name: str, action: Action, peers: dict[str, Action], *, calls: int | None = None) -> Figure:
        """Peers take a tenth of the calls: the naive ones take seconds."""
        calls = calls or self._calls
        times = _timed(action, calls)
        measured = [Measured("the slowest of twenty", times[len(times) * 19 // 20])]
        for peer, its_action in peers.items():
            slow = "scan" in peer or "all" in peer
            measured.append(Measured(peer, statistics.median(_timed(its_action, 1 if slow else max(1, calls // 10)))))
        return Figure(Measured(name, statistics.median(times)), "ms", tuple(measured))

    def _one_of(self, part: Range) -> str:
        return artifact_id(self._chance.randint(part.first, part.last))

    def _series_key(self) -> str:
        return f"token={self._chance.randrange(self._large.series.count):044d}/chain=solana/res=1m"

    def _sql(self, query: str, *values: str) -> list[object]:
        return list(self._connection.execute(query, values))

    def _one_by_one(self, start: str, depth: int, *, down: bool = False) -> int:
        """The same walk with a query per edge list and per artifact; leaving a set costs no step here either."""
        at, to = ("input_artifact_id", "artifact_id") if down else ("artifact_id", "input_artifact_id")
        edges = f"SELECT {to} FROM artifact_lineage WHERE {at} = ?"  # noqa: S608
        known, level = {start}, [start]
        for _ in range(depth):
            leaving, level = level, []
            while leaving:
                for (right,) in self._connection.execute(edges, (leaving.pop(),)).fetchall():
                    if right not in known:
                        known.add(right)
                        row = self._connection.execute("SELECT * FROM artifacts WHERE artifact_id = ?", (right,)).get
                        (leaving if row[1] == "artifact_set" else level).append(right)
        return len(known)


def _timed(action: Action, calls: int) -> Sequence[float]:
    """Seconds of each call, sorted; one before them does not count where there is time."""
    if calls > 2:
        action()
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return sorted(times)
