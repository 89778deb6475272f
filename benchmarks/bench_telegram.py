"""A Telegram export from file to tables: speed, and memory that must not grow with the file."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from benchmarks.child_process import PYTHON, programs
from benchmarks.measurement import Figure, figure, interleaved
from benchmarks.workload import Size
from quantlab_core.alerts.export_tables import export_tables
from quantlab_core.demo.demo_world import demo_world
from quantlab_resources.alerts.telegram_json import read_telegram_json

_IMPORTS = (
    "import sys, pathlib, collections;"
    "from quantlab_core.alerts.export_tables import export_tables;"
    "from quantlab_resources.alerts.telegram_json import read_telegram_json;"
    "path = pathlib.Path(sys.argv[1]);"
)


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """Messages per second of reading, and of reading and classifying; peak memory of a process that does it."""
    path = folder / "result.json"
    count = _write_export(path, size.export_copies)
    megabytes = path.stat().st_size / 1e6
    yield figure(
        interleaved(
            {
                f"messages of a {megabytes:.0f} MB export, read and classified": lambda: export_tables(
                    read_telegram_json(path)
                ),
                "reading alone": lambda: deque(read_telegram_json(path), maxlen=0),
                "json.load of the same file": lambda: _load(path),
            },
            rounds=size.rounds // 2,
            operations=count,
        ),
        "per s",
    )
    codes = {
        f"peak memory, {megabytes:.0f} MB read and classified": _IMPORTS + "export_tables(read_telegram_json(path))",
        "reading alone": _IMPORTS + "collections.deque(read_telegram_json(path), maxlen=0)",
        "the imports alone": _IMPORTS,
        "json.load of the same file": "import json, sys; json.load(open(sys.argv[1], 'rb'))",
    }
    commands = {name: [PYTHON, "-c", code, str(path)] for name, code in codes.items()}
    _, peaks = programs(commands, rounds=size.rounds // 3)
    yield figure(peaks, "MiB")


def _write_export(path: Path, copies: int) -> int:
    """The demo chat, ``copies`` times with ids of its own each time; returns the number of messages."""
    export = demo_world().export
    messages = export["messages"]
    span = max(message["id"] for message in messages) + 1
    export["messages"] = [
        message | {key: message[key] + copy * span for key in ("id", "reply_to_message_id") if key in message}
        for copy in range(copies)
        for message in messages
    ]
    path.write_text(json.dumps(export, ensure_ascii=False, indent=1), encoding="utf-8")
    return len(export["messages"])


def _load(path: Path) -> object:
    with path.open("rb") as stream:
        return json.load(stream)
