"""Starting up: what a person waits for before anything happens, and what a process weighs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.child_process import PYTHON, ROOT, keeping_bytecode, programs
from benchmarks.measurement import Figure, Measured, Unit
from benchmarks.workload import Size, new_lake, slice_request

HELP = "quantlab --help"
LIST = "quantlab artifacts list"
GET_AS_JSON = "JSON operation get_artifact"
LIST_AS_JSON = "JSON operation list_artifacts"
GRAPH = "import quantlab_assets.definitions"
BARE = "import json, sqlite3"
DAGSTER = "import dagster"

OPERATIONS = ROOT / "quantlab_cli" / "artifact_store_ops.py"
MOVERS = ("ARTIFACT_MANIFEST_DB", "ARTIFACTS_ROOT", "PROJECTION_CACHE_DIR", "EXPERIMENT_DB")
"""Variables that would move parts of the lake away from the folder that is measured."""


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """Time and peak memory of commands and of loading the graph, beside a bare Python and Dagster alone.

    Loading is timed from the start of Python until all is loaded: who loads a graph keeps it, and does not end there.
    """
    store = new_lake(folder / "lake")
    published = store.publish_many([slice_request(number, size.slice_rows) for number in range(size.batch)])
    store.close()
    commands = {
        HELP: [PYTHON, "-m", "quantlab_cli", "--help"],
        LIST: [PYTHON, "-m", "quantlab_cli", "artifacts", "list", "--home", str(folder / "lake")],
        GET_AS_JSON: [PYTHON, str(OPERATIONS)],
        LIST_AS_JSON: [PYTHON, str(OPERATIONS)],
        GRAPH: [PYTHON, "-c", f"{GRAPH}, os; os._exit(0)"],
        BARE: [PYTHON, "-c", BARE],
        DAGSTER: [PYTHON, "-c", f"{DAGSTER}, os; os._exit(0)"],
    }
    manifest = {"manifest_db": str(store.paths.manifest_db)}
    requests = {
        GET_AS_JSON: {"operation": "get_artifact", **manifest, "artifact_id": published[0].artifact_id},
        LIST_AS_JSON: {"operation": "list_artifacts", **manifest, "filter": {}},
    }
    inputs = {name: json.dumps(request).encode() for name, request in requests.items()}
    environment = dict.fromkeys(MOVERS, "") | keeping_bytecode(folder / "bytecode")
    times, peaks = programs(commands, rounds=size.rounds, environment=environment, inputs=inputs)
    units: tuple[tuple[dict[str, Measured], Unit], ...] = ((times, "ms"), (peaks, "MiB"))
    for measured, unit in units:
        for subject in (HELP, LIST, GET_AS_JSON, LIST_AS_JSON):
            yield Figure(measured[subject], unit, (measured[BARE],))
        yield Figure(measured[GRAPH], unit, (measured[DAGSTER], measured[BARE]))
