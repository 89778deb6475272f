"""Looks of the sensors that keep a lake current, with nothing new and after one change: 750 days, 3,641 slices."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg
import pyarrow as pa

from benchmarks.measurement import Figure, figure, interleaved
from benchmarks.workload import Size
from quantlab_assets.automation.experiment_queue import experiment_queue
from quantlab_assets.automation.freshness import freshness
from quantlab_assets.automation.keep_current import keep_current
from quantlab_assets.automation.openlineage_outbox import openlineage_outbox
from quantlab_cli.dagster_instance import dagster_instance
from quantlab_core.alerts.artifact_types import ALERTS, TOKEN_CALLS
from quantlab_core.artifacts.artifact import PublishRequest, Writer
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.artifacts.frozen_set import frozen_set_table
from quantlab_core.artifacts.logical_key import format_key
from quantlab_core.candles.artifact_types import OHLCV_SLICE, SLICE_QUARANTINE, TOKEN_CANDLES
from quantlab_core.candles.slices import cohort_window, slice_key_parts
from quantlab_core.token import SOLANA, Token
from quantlab_resources.dagster_io.lab_resource import LabResource
from quantlab_resources.freshness.lake_freshness import lake_freshness
from quantlab_resources.lab import Lab

FIRST_DAY = date(2024, 10, 1)
DAYS_PER_SLICE = 750 / 3_641
BATCH = 200
_WRITER = Writer("benchmarks", "1", "0" * 40, git_dirty=False)
_Wanted = tuple[ArtifactType, dict[str, str], pa.Table, Sequence[str]]


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """A look of each sensor at a lake of which it knows everything, beside the manifest's last change alone; then the
    judgement of the whole lake, which follows every change; then the outbox of lineage."""
    lab = Lab.create(folder / "lake")
    _build(lab, size.series)
    with dagster_instance(lab.paths.home) as instance:
        cursors: dict[str, str | None] = {}

        def look(sensor: dg.SensorDefinition) -> None:
            resources = {"lab": LabResource(home=str(lab.paths.home))}
            with dg.build_sensor_context(
                instance=instance, cursor=cursors.get(sensor.name), resources=resources
            ) as context:
                result = sensor(context)
            if not isinstance(result, dg.SensorResult) or result.run_requests:
                raise RuntimeError(f"{sensor.name} asked for a run of a lake that is current, so its time says nothing")
            cursors[sensor.name] = result.cursor

        sensors = (keep_current, freshness, experiment_queue)
        for sensor in sensors:
            look(sensor)
        looks: dict[str, Any] = {f"look of {one.name}, nothing new": lambda one=one: look(one) for one in sensors}
        bare = {"the manifest's last change": lab.catalogue.last_sequence}
        yield figure(interleaved(looks | bare, rounds=10 * size.rounds), "ms")
        judging: dict[str, Any] = {
            f"judging {size.series:,} slices": lambda: lake_freshness(lab),
            "listing the current slices": lambda: lab.artifacts.heads(OHLCV_SLICE.name),
        }
        yield figure(interleaved(judging, rounds=size.rounds), "ms")
    yield _outbox(lab, size, folder / "lineage.jsonl")


def _outbox(lab: Lab, size: Size, receiver: Path) -> Figure:
    """A look of `openlineage_outbox` when all events were sent, beside the manifest's last change alone."""
    resources = {"lab": LabResource(home=str(lab.paths.home))}
    with (
        patch.dict(os.environ, {"QUANTLAB_OPENLINEAGE": str(receiver)}),
        dg.build_sensor_context(resources=resources) as context,
    ):

        def said() -> str:
            return openlineage_outbox.evaluate_tick(context).skip_message or ""

        while not said().startswith("nothing new"):
            pass  # each look sends a part of what waits, and a look that sends nothing raises
        looks: dict[str, Any] = {
            "look of openlineage_outbox, nothing new": said,
            "the manifest's last change": lab.catalogue.last_sequence,
        }
        return figure(interleaved(looks, rounds=10 * size.rounds), "ms")


def _build(lab: Lab, slices: int) -> None:
    """So many slices, each of a token of its own, and all that rests on them but coverage and projection."""
    days = [FIRST_DAY + timedelta(days=number) for number in range(max(1, round(slices * DAYS_PER_SLICE)))]
    tokens = [Token(SOLANA, f"{number:05}".replace("0", "z") + "A" * 38) for number in range(slices)]
    alerts = _row(ALERTS)
    _publish(lab, [(ALERTS, {"day": str(day), "chain": SOLANA}, alerts, ()) for day in days])
    ids = {head.logical_key: head.artifact_id for head in lab.artifacts.heads(ALERTS.name)}
    empty = SLICE_QUARANTINE.schema.empty_table()
    asked = {day: ids[format_key(ALERTS, {"day": str(day), "chain": SOLANA})] for day in days}
    _publish(lab, [(SLICE_QUARANTINE, {"day": str(day)}, empty, [asked[day]]) for day in days])
    keys = [
        slice_key_parts(token, "1m", *cohort_window(days[number % len(days)])) for number, token in enumerate(tokens)
    ]
    cut = _publish(lab, [(OHLCV_SLICE, key, _row(OHLCV_SLICE), ()) for key in keys])
    series = _row(TOKEN_CANDLES)
    _publish(
        lab,
        [
            (TOKEN_CANDLES, {**token.key_parts, "res": "1m"}, series, [slice_id])
            for token, slice_id in zip(tokens, cut, strict=True)
        ],
    )
    for of, spec in (("alerts", ALERTS), ("candles", TOKEN_CANDLES)):
        members = lab.artifacts.heads(spec.name)
        inputs = [member.artifact_id for member in members]
        sets = _publish(lab, [(ARTIFACT_SET, {"of": of, "selection": "current"}, frozen_set_table(members), inputs)])
        if of == "alerts":
            _publish(lab, [(TOKEN_CALLS, {"selection": "current"}, _row(TOKEN_CALLS), sets)])
    _publish_what_is_measured(lab)


def _publish_what_is_measured(lab: Lab) -> None:
    from quantlab_core.coverage.artifact_types import ALERT_FORWARD_COVERAGE, COVERAGE_GAPS, COVERAGE_SUMMARY
    from quantlab_core.projections.artifact_types import PROJECTION_RECEIPT

    sets = [head.artifact_id for head in lab.artifacts.heads(ARTIFACT_SET.name)]
    measured = (ALERT_FORWARD_COVERAGE, COVERAGE_GAPS, COVERAGE_SUMMARY)
    _publish(lab, [(spec, {"selection": "current"}, _row(spec), sets) for spec in measured])
    _publish(lab, [(PROJECTION_RECEIPT, {"projection": "research"}, _row(PROJECTION_RECEIPT), sets)])


def _publish(lab: Lab, wanted: Sequence[_Wanted]) -> list[str]:
    ids: list[str] = []
    for start in range(0, len(wanted), BATCH):
        requests = [
            PublishRequest(spec.name, spec.version, format_key(spec, key), table, _WRITER, input_artifact_ids=inputs)
            for spec, key, table, inputs in wanted[start : start + BATCH]
        ]
        ids += [result.artifact_id for result in lab.artifacts.publish_many(requests)]
    return ids


def _row(spec: ArtifactType) -> pa.Table:
    """One row of the type."""
    row: dict[str, Any] = {}
    for column in spec.schema:
        if pa.types.is_timestamp(column.type):
            row[column.name] = datetime(2025, 1, 1, tzinfo=UTC)
        elif pa.types.is_date(column.type):
            row[column.name] = FIRST_DAY
        elif pa.types.is_string(column.type):
            row[column.name] = "x"
        elif pa.types.is_boolean(column.type):
            row[column.name] = False
        else:
            row[column.name] = 1 if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) else None
    attributes = dict.fromkeys(spec.attributes, "x") if spec.attributes else None
    return pa.Table.from_pylist([row], schema=spec.schema.with_metadata(attributes))
