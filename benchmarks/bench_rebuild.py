"""Rebuilding the manifest of a lake from its event files."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import apsw

from benchmarks.child_process import PYTHON, programs
from benchmarks.measurement import Figure, figure, interleaved
from benchmarks.workload import Size, new_lake, slice_request
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.upkeep.manifest_rebuild import rebuild

ARTIFACTS, A_FEW = 5_000, 4
SMALLER = 10
"""The memory of a rebuild is compared with that for a lake with so many times fewer artifacts."""
ROWS = 2


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """Time beside reading the same files and inserting the same rows; peak memory beside that of a smaller lake."""
    artifacts = ARTIFACTS if size.rounds else A_FEW
    rounds = min(size.rounds, 3)
    store = _filled(folder / "lake", artifacts)
    numbers, copies = itertools.count(), itertools.count()

    def rebuilt() -> None:
        rebuild(store, output=folder / f"rebuilt-{next(numbers)}.sqlite")

    measured = interleaved(
        {
            f"rebuild of {artifacts:,} artifacts, each with its event": rebuilt,
            "reading the same files, inserting the same rows": lambda: _floor(
                store, folder / f"floor-{next(copies)}.sqlite"
            ),
        },
        rounds=rounds,
    )
    yield figure(measured, "ms")
    store.close()
    smaller = _filled(folder / "smaller", max(artifacts // SMALLER, 1))
    smaller.close()
    yield _memory(store, smaller, artifacts)


def _filled(home: Path, artifacts: int) -> ParquetArtifactStore:
    store = new_lake(home)
    for number in range(artifacts):
        store.publish(replace(slice_request(number, ROWS), tags={"number": str(number)}, run_id=f"run-{number}"))
    return store


def _floor(store: ParquetArtifactStore, path: Path) -> None:
    """Bytes of every event and sidecar read, rows of every table copied: nothing parsed, nothing checked."""
    for file in (*store.paths.events.glob("*.json"), *store.paths.artifacts_root.glob("*/*/*.json")):
        file.read_bytes()
    with closing(apsw.Connection(str(path))) as copy:
        copy.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
        copy.execute("ATTACH ? AS lake", (str(store.paths.manifest_db),))
        schema = list(copy.execute("SELECT type, name, sql FROM lake.sqlite_master WHERE sql IS NOT NULL"))
        for kind in ("table", "index"):
            copy.execute("; ".join(sql for type_, _, sql in schema if type_ == kind))
        for table in (name for type_, name, _ in schema if type_ == "table"):
            copy.execute(f'INSERT INTO main."{table}" SELECT * FROM lake."{table}"')  # noqa: S608 - names from a schema


def _memory(store: ParquetArtifactStore, smaller: ParquetArtifactStore, artifacts: int) -> Figure:
    def command(lake: ParquetArtifactStore) -> list[str]:
        return [PYTHON, "-m", "quantlab_cli", "lake", "rebuild-manifest", "--home", str(lake.paths.home)]

    commands = {
        f"peak memory of a rebuild of {artifacts:,} artifacts": command(store),
        f"that of {SMALLER} times fewer": command(smaller),
        "`quantlab lake init` again": [PYTHON, "-m", "quantlab_cli", "lake", "init", "--home", str(store.paths.home)],
    }
    return figure(programs(commands, rounds=0)[1], "MiB")
