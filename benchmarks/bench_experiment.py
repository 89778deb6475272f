"""A whole experiment as a library call: frozen inputs in, published results out; without bootstrap and other evidence.

With a cold cache the candle pack is built first, from verified files; with a warm one it is there. The page cache is
warm for all of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.child_process import PYTHON, programs
from benchmarks.experiment_lake import create_experiment, publish_inputs
from benchmarks.measurement import Figure, figure, interleaved
from benchmarks.workload import Size
from quantlab_core.candles.artifact_types import TOKEN_CANDLES
from quantlab_resources.experiments.lab_execution import execute_in_lab
from quantlab_resources.lab import Lab
from quantlab_resources.lake_paths import LakePaths

NEEDED = ["ts", "open", "high", "low", "close"]
"""The columns that a simulation needs; a file holds thirteen."""
MOST_ROUNDS = 3
COLD, WARM = "experiment, cold cache", "experiment, warm cache"


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """Time from the call to published results beside reading the Parquet files; time and peak memory of a process."""
    lab = lab_of(folder / "lake")
    lab.make_lake()
    sets = publish_inputs(lab, series=size.series, alerts=size.calls)
    (folder / "lake" / "sets").write_text(" ".join(sets))
    files = [head.path_parquet for head in lab.artifacts.heads(TOKEN_CANDLES.name)]
    rounds = min(size.rounds, MOST_ROUNDS)
    measured = interleaved(
        {
            COLD: lambda: run_one(lab, sets, is_cold=True),
            WARM: lambda: run_one(lab, sets),
            "reading the Parquet files with pyarrow, one thread": lambda: read_files(files, None),
            "reading the five columns that are needed": lambda: read_files(files, NEEDED),
        },
        rounds=rounds,
    )
    cold, warm, *peers = measured.values()
    yield Figure(cold, "ms", tuple(peers))
    yield Figure(warm, "ms", tuple(peers))
    home = str(folder / "lake")
    scripts = {
        "process: experiment, cold cache": f"b.run_one(b.lab_of({home!r}), b.sets_of({home!r}), is_cold=True)",
        "process: experiment, warm cache": f"b.run_one(b.lab_of({home!r}), b.sets_of({home!r}))",
        "process: imports alone": "",
    }
    commands = {
        name: [PYTHON, "-c", f"import benchmarks.bench_experiment as b\n{script}"] for name, script in scripts.items()
    }
    times, peaks = programs(commands, rounds=rounds)
    yield figure(times, "ms")
    yield figure(peaks, "MiB")
    lab.close()


def lab_of(home: str | Path) -> Lab:
    """The lab of the benchmark's lake, whatever the environment says."""
    return Lab(paths=LakePaths.from_environment(home, {}))


def sets_of(home: str | Path) -> tuple[str, str]:
    """The ids of the frozen sets."""
    alert_set, candle_set = (Path(home) / "sets").read_text().split()
    return alert_set, candle_set


def run_one(lab: Lab, sets: tuple[str, str], *, is_cold: bool = False) -> None:
    """Put an experiment that nobody has run on record, and run it."""
    if is_cold:
        for state in lab.candle_packs.states():
            lab.candle_packs.remove(state.projection.projection_id)
    experiment_id = f"bench-{os.urandom(8).hex()}"
    create_experiment(lab, experiment_id, sets)
    execute_in_lab(lab, experiment_id)


def read_files(files: Sequence[str], columns: list[str] | None) -> None:
    """The least that has to be done where there is no pack."""
    for path in files:
        with pq.ParquetFile(path) as file:
            file.read(columns=columns, use_threads=False)
