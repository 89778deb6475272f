"""Backfills: many days in one run, the same again, one day by Dagster's command, and what our IO manager adds."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from dagster._core.storage.fs_io_manager import PickledObjectFilesystemIOManager

from benchmarks.backfill_files import day, mint, write_candle_files, write_exports
from benchmarks.child_process import PYTHON, ROOT, keeping_bytecode, programs
from benchmarks.measurement import Figure, Measured, figure, interleaved
from benchmarks.workload import Size
from quantlab_assets.artifact_asset import Step, artifact_asset
from quantlab_assets.automation.reconcile_events import reconcile_events_sensor
from quantlab_assets.automation.telegram_drop import telegram_drop_sensor
from quantlab_assets.partitions import DAYS
from quantlab_assets.workflows.archive import archive_file
from quantlab_assets.workflows.import_candles import import_candle_files
from quantlab_assets.workflows.ingest_alerts import read_exports
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_cli.dagster_instance import dagster_instance
from quantlab_core.alerts.artifact_types import ALERT_EVENTS, ALERTS
from quantlab_core.candles.artifact_types import OHLCV_SLICE
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft
from quantlab_resources.dagster_io.io_manager import LakeIOManager
from quantlab_resources.dagster_io.lab_resource import LabResource
from quantlab_resources.lab import Lab

BACKFILLED = ("alert_events", "alerts", "ohlcv_slices", "slice_quarantine", "slice_revisions")
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """The backfill of a lake that holds its files but nothing made of them, then what happens on the finished lake."""
    exports = write_exports(folder / "exports", size.days, size.slices)
    candles = write_candle_files(folder / "candles", size.days, size.slices, size.slice_rows)
    lab = Lab.create(folder / "lake")
    with dagster_instance(lab.paths.home) as instance:
        runs = LakeRuns(lab, instance)
        taken_in = {
            f"taking in {len(exports)} exports and {len(candles)} candle files": lambda: _take_in(
                runs, exports, candles
            ),
            "SHA-256 of them": lambda: [hashlib.sha256(path.read_bytes()) for path in (*exports, *candles)],
        }
        yield figure(interleaved(taken_in, rounds=0), "ms")
        bare = folder / "bare"
        first = interleaved(
            {
                f"backfill of {size.days} days with {size.slices:,} slices": lambda: _backfill(runs, size.days),
                "pyarrow: cutting and writing the slices, synced": lambda: _bare_slices(candles, bare, size),
            },
            rounds=0,
        )
        if (
            len(lab.artifacts.heads(OHLCV_SLICE.name)) != size.slices
            or len(lab.artifacts.heads(ALERTS.name)) != size.days
        ):
            raise RuntimeError("not every day has its alerts and slices, so the times say nothing")
        yield figure(first, "ms")
        count = runs.counts.new
        again = interleaved({"the same again, nothing changed": lambda: _backfill(runs, size.days)}, rounds=0)
        if runs.counts.new != count:
            raise RuntimeError("the second run published something new, so its time says nothing")
        yield figure(again | first, "ms")
        yield from _ticks(lab, instance, size)
    yield from _one_day(lab, size, folder)
    yield from _io_manager(size, folder / "io")


def _take_in(runs: LakeRuns, exports: list[Path], candles: list[Path]) -> None:
    read_exports(runs, [archive_file(runs, path, "telegram_export").key for path in exports])
    refused = import_candle_files(runs, candles, CandleFileDeclaration()).refused
    if refused:
        raise RuntimeError(f"a candle file was refused, so the times say nothing: {refused[0]}")


def _backfill(runs: LakeRuns, days: int) -> None:
    runs.materialize_days("Backfilling", BACKFILLED, [day(number) for number in range(days)])


def _bare_slices(candles: list[Path], target: Path, size: Size) -> None:
    """What no backfill can do without: read the files, take each token's rows, write and sync a file of them."""
    target.mkdir(exist_ok=True)
    for path in candles:
        table = pq.read_table(path)
        for token in table["token_address"].unique().to_pylist():
            own = target / f"{token}.parquet"
            pq.write_table(table.filter(pc.equal(table["token_address"], token)), own)
            with own.open("rb") as file:
                os.fsync(file.fileno())
    if len(list(target.iterdir())) != size.slices or not (target / f"{mint(0)}.parquet").is_file():
        raise RuntimeError("not every slice was written, so the time says nothing")


def _ticks(lab: Lab, instance: dg.DagsterInstance, size: Size) -> Iterator[Figure]:
    """Looks of the sensors that find nothing to do."""
    resources = {"lab": LabResource(home=str(lab.paths.home))}
    cursor = str(lab.artifacts.last_sequence())
    database = lab.paths.manifest_db

    def look(sensor: dg.SensorDefinition, known: str) -> None:
        with dg.build_sensor_context(instance=instance, cursor=known, resources=resources) as context:
            result: Any = sensor(context)
        if result.run_requests or result.cursor != known:
            raise RuntimeError("the sensor found something to do, so its time says nothing")

    ticks = {
        "idle look of reconcile_events": lambda: look(reconcile_events_sensor, cursor),
        "idle look of telegram_drop_sensor": lambda: look(telegram_drop_sensor, "{}"),
        "reading the manifest's size": lambda: database.stat(),
    }
    measured = interleaved(ticks, rounds=size.rounds)
    names = list(measured)
    for name in names[:2]:
        yield figure({name: measured[name], names[2]: measured[names[2]]}, "ms")


def _one_day(lab: Lab, size: Size, folder: Path) -> Iterator[Figure]:
    """`dagster asset materialize` of one day, beside a project whose one asset does nothing."""
    of_day = ["--partition", day(0).isoformat(), "-m"]
    command = [str(Path(PYTHON).with_name("dagster")), "asset", "materialize", "--select"]
    commands = {
        "dagster asset materialize of a day of alerts": [*command, "alerts", *of_day, "quantlab_assets.definitions"],
        "of an asset that does nothing": [*command, "nothing", *of_day, "benchmarks.empty_asset"],
    }
    environment = {"QUANTLAB_HOME": str(lab.paths.home), "PYTHONPATH": str(ROOT)}
    environment |= keeping_bytecode(folder / "bytecode")
    times, _ = programs(commands, rounds=min(size.rounds, 3), environment=environment)
    yield figure(times, "ms")


def _io_manager(size: Size, folder: Path) -> Iterator[Figure]:
    """Runs over one day with one small table, by our IO manager and by the one that Dagster brings.

    Dagster's takes no range in one run, so both get a run per day; what they differ by is the IO manager's.
    """
    lab = Lab.create(folder / "lake")
    days = [day(number).isoformat() for number in range(size.batch)]
    version = [0]

    def table(key: str) -> pa.Table:
        row = {"alert_id": f"{key} {version[0]}", "chain": "solana", "mint": key, "called_address": key}
        row |= {"address_kind": "token", "mint_source": "text", "content_id": "0" * 16}
        more = {"event_ts_utc": datetime.fromisoformat(f"{key}T12:00:00+00:00"), "token_proven_at_call": True}
        more |= {"alert_chat_id": 1, "alert_message_id": 1}
        return pa.Table.from_pylist([{**row, **more}], schema=ALERT_EVENTS.schema)

    @artifact_asset(name="alert_events", specs=[ALERT_EVENTS], group="alerts", code_version="1", partitions_def=DAYS)
    def ours(step: Step) -> Iterator[ArtifactDraft]:
        """One artifact a day."""
        yield ArtifactDraft(ALERT_EVENTS, {"day": step.key, "chain": "solana"}, table(step.key))

    def pickled(context):  # type: ignore[no-untyped-def]
        return table(context.partition_key)

    theirs = dg.asset(partitions_def=DAYS)(pickled)
    home = str(lab.paths.home)
    lake = _Timed("an artifact handed to our IO manager", LakeIOManager(home=home))
    pickles = _Timed(
        "a pickle handed to Dagster's FilesystemIOManager",
        PickledObjectFilesystemIOManager(base_dir=str(folder / "pickles")),
    )
    with dagster_instance(lab.paths.home) as instance:

        def run(asset: dg.AssetsDefinition, manager: _Timed) -> None:
            version[0] += 1
            resources = {"lab": LabResource(home=home), "io_manager": manager.definition}
            for key in days:
                dg.materialize([asset], instance=instance, resources=resources, partition_key=key, run_config=_QUIET)

        measured = interleaved(
            {
                "run with an artifact by our IO manager": lambda: run(ours, lake),
                "with a pickle by Dagster's FilesystemIOManager": lambda: run(theirs, pickles),
            },
            rounds=min(size.rounds, 3),
            operations=len(days),
        )
    own, builtin = measured.values()
    yield Figure(own, "ms", (builtin,))
    ours_alone, theirs_alone = lake.measured, pickles.measured
    yield Figure(ours_alone, "ms", (theirs_alone,))
    added = Measured(
        "what our IO manager adds to an artifact",
        max(ours_alone.cost - theirs_alone.cost, 1e-6),
        max((ours_alone.cpu_s or 0.0) - (theirs_alone.cpu_s or 0.0), 1e-6),
    )
    yield Figure(added, "ms", (Measured("the bar: 10 ms", 0.010),))


class _Timed(dg.IOManager):
    """An IO manager, and what each call of it took: runs take 50 times as long and vary by more than it takes."""

    def __init__(self, name: str, manager: dg.IOManager | LakeIOManager) -> None:
        self._name = name
        self._manager = manager
        self._calls: list[tuple[float, float]] = []

    @property
    def definition(self) -> dg.IOManagerDefinition:
        """As a resource of a run."""
        return dg.IOManagerDefinition.hardcoded_io_manager(self)

    @property
    def measured(self) -> Measured:
        """The median call."""
        wall, cpu = (median(times) for times in zip(*self._calls, strict=True))
        return Measured(self._name, wall, cpu)

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Hand the output over."""
        wall, cpu = perf_counter(), process_time()
        self._manager.handle_output(context, obj)
        self._calls.append((perf_counter() - wall, process_time() - cpu))

    def load_input(self, context: dg.InputContext) -> Any:
        """Nothing is measured of inputs."""
        return self._manager.load_input(context)
