"""Starting up: what a person waits for before anything happens, and what a process weighs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.child_process import PYTHON, programs
from benchmarks.measurement import Figure, Measured, Unit
from benchmarks.workload import Size, new_lake, slice_request

HELP = "quantlab --help"
LIST = "quantlab artifacts list"
GRAPH = "import quantlab_assets.definitions"
BARE = "import json, sqlite3"
DAGSTER = "import dagster"

MOVERS = ("ARTIFACT_MANIFEST_DB", "ARTIFACTS_ROOT", "PROJECTION_CACHE_DIR", "EXPERIMENT_DB")
"""Variables that would move parts of the lake away from the folder that is measured."""


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """Time and peak memory of commands and of loading the graph, beside a bare Python and Dagster alone."""
    store = new_lake(folder / "lake")
    store.publish_many([slice_request(number, size.slice_rows) for number in range(size.batch)])
    store.close()
    commands = {
        HELP: [PYTHON, "-m", "quantlab_cli", "--help"],
        LIST: [PYTHON, "-m", "quantlab_cli", "artifacts", "list", "--home", str(folder / "lake")],
        GRAPH: [PYTHON, "-c", GRAPH],
        BARE: [PYTHON, "-c", BARE],
        DAGSTER: [PYTHON, "-c", DAGSTER],
    }
    environment = dict.fromkeys(MOVERS, "") | _keeping_bytecode(folder / "bytecode")
    times, peaks = programs(commands, rounds=size.rounds, environment=environment)
    units: tuple[tuple[dict[str, Measured], Unit], ...] = ((times, "ms"), (peaks, "MiB"))
    for measured, unit in units:
        for subject, peers in ((HELP, [BARE]), (LIST, [BARE]), (GRAPH, [DAGSTER, BARE])):
            yield Figure(measured[subject], unit, tuple(measured[peer] for peer in peers))


def _keeping_bytecode(folder: Path) -> dict[str, str]:
    """Where Python is told not to keep compiled modules, keep them for this run: compiling is not what is measured."""
    if not sys.dont_write_bytecode:
        return {}
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder)}
