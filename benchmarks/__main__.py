"""``python -m benchmarks [name …]``: run the benchmarks (default: all) and print their figures."""

from __future__ import annotations

import argparse
import importlib
import json
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks import workload
from benchmarks.measurement import Figure, as_json, machine, print_table

NAMES = (
    "publish",
    "content_hash",
    "read",
    "verify",
    "rebuild",
    "telegram",
    "telegram_drop",
    "sensor_ticks",
    "simulation",
    "sweep",
    "experiment",
    "statistics",
    "projection",
    "clickhouse",
    "alert_candles",
    "coverage",
    "manifest",
    "startup",
    "pages",
    "backfill",
)


def main() -> None:
    """Run what the command line names, each benchmark in a folder of its own that is removed afterwards."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"which to run: {', '.join(NAMES)}")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--tiny", action="store_true", help="a few operations only: shows that all runs, not how fast")
    parser.add_argument("--folder", type=Path, help="where to work: a folder on the disk to be measured")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(NAMES)}")
    size = workload.TINY if options.tiny else workload.FULL
    before = machine()
    console = Console(stderr=options.json, width=110)
    console.print(" ".join(f"{key} {value}" for key, value in before.items()))
    measured: dict[str, list[Figure]] = {}
    for name in options.names or NAMES:
        module = importlib.import_module(f"benchmarks.bench_{name}")
        with tempfile.TemporaryDirectory(dir=options.folder, prefix="quantlab-bench-") as folder:
            measured[name] = list(module.figures(size, Path(folder)))
        console.print(f"\n{name}", style="bold")
        print_table(measured[name], console)
    if options.json:
        print(json.dumps({"machine": before, "figures": as_json(measured)}, indent=1))


if __name__ == "__main__":
    main()
