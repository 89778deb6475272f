"""A Telegram export from file to tables: speed, and memory that must not grow with the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.child_process import PYTHON, programs
from benchmarks.large_export import write_large_export
from benchmarks.measurement import Figure, Measured, figure
from benchmarks.workload import Size

_IMPORTS = (
    "import sys, pathlib, collections;"
    "from quantlab_core.alerts.export_tables import export_tables;"
    "from quantlab_resources.alerts.telegram_json import read_telegram_json;"
    "path = pathlib.Path(sys.argv[1]);"
)


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """Messages per second, and peak memory, of programs that read, classify and build the tables of one export."""
    path = folder / "result.json"
    write_large_export(path, size.export_messages)
    megabytes = path.stat().st_size / 1e6
    codes = {
        f"messages of a {megabytes:,.0f} MB export, read and classified": _IMPORTS
        + "export_tables(read_telegram_json(path))",
        "reading alone": _IMPORTS + "collections.deque(read_telegram_json(path), maxlen=0)",
        "json.load of the same file": "import json, sys; json.load(open(sys.argv[1], 'rb'))",
    }
    commands = {name: [PYTHON, "-c", code, str(path)] for name, code in codes.items()}
    times, peaks = programs(commands, rounds=size.rounds // 3)
    count = size.export_messages
    yield figure(
        {name: Measured(name, one.cost / count, (one.cpu_s or 0.0) / count) for name, one in times.items()}, "per s"
    )
    _, imports = programs({"the imports alone": [PYTHON, "-c", _IMPORTS, str(path)]}, rounds=0)
    yield figure({f"peak memory: {name}": one for name, one in peaks.items()} | imports, "MiB")
