"""The drop folder with a thousand exports in it: one look of its sensor, the run that it asks for, looks afterwards."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks.large_export import write_large_export
from benchmarks.measurement import Figure, figure, interleaved
from benchmarks.workload import Size
from quantlab_assets.automation.telegram_drop import WHOLE_AFTER_S, drop_folder, telegram_drop_sensor
from quantlab_assets.definitions import build_defs
from quantlab_cli.dagster_instance import dagster_instance
from quantlab_core.alerts.artifact_types import MESSAGE_DISPOSITIONS
from quantlab_resources.dagster_io.lab_resource import LabResource
from quantlab_resources.lab import Lab

MESSAGES = 100
"""Messages of each export; the exports follow each other in time, 43 of them on a day."""


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """The look that asks for all exports, the look while they are in a run and the look at an empty folder, each beside
    the bare work with the same files; then the run, beside `json.load` of them all."""
    lab = Lab.create(folder / "lake")
    drop = drop_folder(lab).path
    paths = _dropped(drop, size.dropped_exports)
    with dagster_instance(lab.paths.home) as instance:
        asked: list[dg.SensorResult] = []

        def look(cursor: str | None = None) -> dg.SensorResult:
            resources = {"lab": LabResource(home=str(lab.paths.home))}
            with dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources) as context:
                result = telegram_drop_sensor(context)
            if not isinstance(result, dg.SensorResult):
                raise RuntimeError("the sensor gave no result, so its time says nothing")
            return result

        look()  # Dagster makes its tables at the first question
        first_look = {
            f"look that asks for {len(paths):,} new exports": lambda: asked.append(look()),
            "listing and hashing them": lambda: [hashlib.sha256(path.read_bytes()) for path in sorted(drop.iterdir())],
        }
        yield figure(interleaved(first_look, rounds=size.rounds), "ms")
        (request,) = asked[-1].run_requests or []
        later_look = {
            f"look while {len(paths):,} exports are in a run": lambda: look(asked[-1].cursor),
            "listing them": lambda: [path.stat() for path in sorted(drop.iterdir())],
        }
        yield figure(interleaved(later_look, rounds=size.rounds), "ms")

        run = {
            f"export of {MESSAGES} messages, in a run with {len(paths):,}": lambda: _run(lab, instance, request),
            "json.load of each": lambda: [json.loads(path.read_bytes()) for path in sorted(drop.rglob("*.json"))],
        }
        yield figure(interleaved(run, rounds=0, operations=len(paths)), "ms")
        if len(lab.artifacts.heads(MESSAGE_DISPOSITIONS.name)) != len(paths) or list(drop.glob("*.json")):
            raise RuntimeError("not every export was ingested, so the times say nothing")
        empty_look = {"look at an empty folder": lambda: look(), "listing it": lambda: list(drop.iterdir())}
        yield figure(interleaved(empty_look, rounds=size.rounds), "ms")


def _run(lab: Lab, instance: dg.DagsterInstance, request: dg.RunRequest) -> None:
    config: Any = request.run_config
    tags = {"dagster/run_key": str(request.run_key)}
    job = build_defs(home=str(lab.paths.home)).resolve_job_def("ingest")
    job.execute_in_process(run_config=config, instance=instance, tags=tags)


def _dropped(drop: Path, exports: int) -> list[Path]:
    """So many exports in the folder, old enough to be whole at first sight."""
    drop.mkdir(parents=True)
    paths = [drop / f"export-{number:04d}.json" for number in range(exports)]
    for number, path in enumerate(paths):
        write_large_export(path, MESSAGES, first=number * MESSAGES)
        long_ago = path.stat().st_mtime - 2 * WHOLE_AFTER_S
        os.utime(path, (long_ago, long_ago))
    return paths
