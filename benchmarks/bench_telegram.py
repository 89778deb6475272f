"""A Telegram export from file to tables and to alerts: speed, and memory that must not grow with the file.

`json.load` of the same file, which reads and keeps everything and does nothing else, takes its turns with all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.child_process import PYTHON, keeping_bytecode, programs
from benchmarks.large_export import write_large_export
from benchmarks.measurement import Figure, Measured, figure
from benchmarks.workload import Size

_IMPORTS = (
    "import sys, pathlib, collections;"
    "from quantlab_resources.arrow_memory import keep_arrow_small;"  # as `quantlab alerts ingest` does
    "keep_arrow_small();"
    "from quantlab_core.alerts.export_tables import export_tables;"
    "from quantlab_resources.alerts.telegram_json import read_telegram_json;"
    "path = pathlib.Path(sys.argv[1]);"
)
_READ = _IMPORTS + "collections.deque(read_telegram_json(path), maxlen=0)"
_MESSAGES_PER_SECOND = Measured("the bar: 20,000 per s", 1 / 20_000)
_PEAK = Measured("the bar: 500 MB", 500e6)
_LOAD = "import json, sys; json.load(open(sys.argv[1], 'rb'))"


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """Messages per second, and peak memory, of programs that read an export, that build its tables as well, and of
    `quantlab alerts ingest` into a lake that is not there yet: archive, tables, alerts, and all that rests on them.
    Beside the figures that have one stands the bar: at so many messages per second, and in so much memory, an export of
    a million messages must come in."""
    path, quarter = folder / "result.json", folder / "quarter.json"
    count = size.export_messages
    write_large_export(path, count)
    write_large_export(quarter, count // 4)
    commands = {
        f"messages of a {path.stat().st_size / 1e6:,.0f} MB export, read and classified": [
            PYTHON, "-c", _IMPORTS + "export_tables(read_telegram_json(path))", str(path),
        ],
        "reading alone": [PYTHON, "-c", _READ, str(path)],
        "json.load of the same file": [PYTHON, "-c", _LOAD, str(path)],
    }  # fmt: skip
    times, peaks = programs(commands, rounds=size.rounds // 3)
    yield figure(_per_message(times, count) | {"the bar": _MESSAGES_PER_SECOND}, "per s")
    less = {
        "reading a quarter of it": [PYTHON, "-c", _READ, str(quarter)],
        "the imports alone": [PYTHON, "-c", _IMPORTS, str(path)],
    }
    yield figure(_as_peaks(peaks | programs(less, rounds=0)[1]), "MiB")

    ingestion = {
        f"messages of it by `quantlab alerts ingest`, {count:,} in all": [
            PYTHON, "-m", "quantlab_cli", "alerts", "ingest", str(path),
        ],
        "json.load of the same file": commands["json.load of the same file"],
    }  # fmt: skip
    environment = {"QUANTLAB_HOME": str(folder / "lake"), **keeping_bytecode(folder / "bytecode")}
    programs({"": [PYTHON, "-m", "quantlab_cli", "lake", "init"]}, rounds=0, environment=environment)
    times, peaks = programs(ingestion, rounds=0, environment=environment)
    yield figure(_per_message(times, count), "per s")
    yield figure(_as_peaks(peaks) | {"the bar": _PEAK}, "MiB")


def _per_message(times: Mapping[str, Measured], count: int) -> dict[str, Measured]:
    return {name: Measured(name, one.cost / count, (one.cpu_s or 0.0) / count) for name, one in times.items()}


def _as_peaks(peaks: Mapping[str, Measured]) -> dict[str, Measured]:
    return {name: replace(one, name=f"peak memory: {name}") for name, one in peaks.items()}
