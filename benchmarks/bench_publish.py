"""Publishing a slice durably, by one process and by several, and finding that its content is already there."""

from __future__ import annotations

import hashlib
import itertools
import os
import statistics
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.earlier_way import EarlierStore, earlier_slice
from benchmarks.measurement import Figure, Measured, figure, interleaved
from benchmarks.publishing_processes import PublishingProcesses
from benchmarks.workload import Size, new_lake, slice_request

SMALL = b"x" * 1_000
"""As large as a sidecar or an event file."""


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """Publishes per second beside the earlier store's way and what the disk and the codec take alone; publishes of
    several processes together beside one alone; the time of a dedup hit."""
    store = new_lake(folder / "lake")
    requests = [slice_request(number, size.slice_rows) for number in range((size.rounds + 1) * size.batch)]
    probe = store.publish(slice_request(len(requests), size.slice_rows)).artifact
    data = Path(probe.path_parquet).read_bytes()
    table = store.read(probe.artifact_id)
    fresh = iter(requests)
    earlier = EarlierStore(folder / "earlier")
    frames = iter([earlier_slice(number, size.slice_rows) for number in range(len(requests))])
    disk = _BareDisk(folder / "bare")

    def repeat(action: Callable[[], object]) -> Callable[[], object]:
        return lambda: deque((action() for _ in range(size.batch)), maxlen=0)

    yield figure(
        interleaved(
            {
                "publish of a slice, durable": repeat(lambda: store.publish(next(fresh))),
                "the earlier store's way, not durable": repeat(lambda: earlier.publish(next(frames))),
                "its disk work alone: 3 files, 2 folders, 1 commit": repeat(lambda: disk.work_of_a_publish(data)),
                "write + fsync of the same bytes": repeat(lambda: disk.write(data)),
                "write + fsync of 1 kB": repeat(lambda: disk.write(SMALL)),
                "pyarrow.parquet.write_table to memory": repeat(lambda: _encode(table)),
                "SHA-256 of the same bytes": repeat(lambda: hashlib.sha256(data).digest()),
            },
            rounds=size.rounds,
            operations=size.batch,
        ),
        "per s",
    )
    yield _in_one_call(size, folder / "many")
    yield _together(size, folder / "shared")
    known = itertools.cycle(requests[: size.batch])
    with apsw.Connection(str(store.paths.manifest_db), flags=apsw.SQLITE_OPEN_READONLY) as connection:
        query = "SELECT * FROM artifacts WHERE artifact_id = ?"
        yield figure(
            interleaved(
                {
                    "dedup hit": repeat(lambda: store.publish(next(known))),
                    "write + fsync of 1 kB": repeat(lambda: disk.write(SMALL)),
                    "SELECT of one row": repeat(lambda: connection.execute(query, (probe.artifact_id,)).fetchall()),
                },
                rounds=size.rounds,
                operations=size.batch,
            ),
            "ms",
        )
    store.close()
    disk.close()


def _in_one_call(size: Size, home: Path) -> Figure:
    """Slices of one `publish_many`, as an asset publishes those of a day, beside one publish for each."""
    store = new_lake(home)
    fresh = (slice_request(number, size.slice_rows) for number in itertools.count())
    found = figure(
        interleaved(
            {
                f"slice in a publish of {size.batch} at once": lambda: store.publish_many(
                    list(itertools.islice(fresh, size.batch))
                ),
                "by a publish each": lambda: [
                    store.publish(request) for request in itertools.islice(fresh, size.batch)
                ],
            },
            rounds=size.rounds,
            operations=size.batch,
        ),
        "per s",
    )
    store.close()
    return found


def _together(size: Size, home: Path) -> Figure:
    """One process and several take turns in one lake; the errors are part of the figure's name and must be none."""
    costs: dict[int, list[float]] = {size.processes: [], 1: []}
    errors: list[str] = []
    with PublishingProcesses(home, count=size.processes, rows=size.slice_rows) as publishers:
        for number in range(size.rounds + 1):
            for processes, measured in costs.items():
                cost, raised = publishers.publish(size.batch * size.processes, processes=processes)
                errors += raised
                if number or not size.rounds:
                    measured.append(cost)
    together, alone = (statistics.median(measured) for measured in costs.values())
    name = f"publish by {size.processes} processes into one lake: {len(errors)} errors"
    return Figure(Measured(name, together), "per s", (Measured("by one of them alone", alone),))


class _BareDisk:
    """What no durable publish can save: writes and syncs with nothing around them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._names = itertools.count()
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._sqlite = apsw.Connection(str(folder / "ledger.sqlite"))
        self._sqlite.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE row (text)").fetchall()

    def write(self, data: bytes) -> None:
        descriptor = os.open(self._folder / str(next(self._names)), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        os.write(descriptor, data)
        os.fsync(descriptor)
        os.close(descriptor)

    def work_of_a_publish(self, data: bytes) -> None:
        """The table, its sidecar, their folder; the event, its folder; the row."""
        for content, syncs_folder in ((data, False), (SMALL, True), (SMALL, True)):
            self.write(content)
            if syncs_folder:
                os.fsync(self._descriptor)
        self._sqlite.execute("INSERT INTO row VALUES (?)", ("x" * 500,))

    def close(self) -> None:
        os.close(self._descriptor)
        self._sqlite.close()


def _encode(table: pa.Table) -> None:
    pq.write_table(table, pa.BufferOutputStream(), compression="zstd")
