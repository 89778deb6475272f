"""A lake with one pending experiment: merged series, alerts by day, both frozen; invented, always the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.bench_simulation import SERIES_ROWS, STRATEGIES
from benchmarks.workload import FIRST_CANDLE_MS, MINUTE_MS, price_walk, token
from quantlab_core.alerts.artifact_types import ALERTS
from quantlab_core.artifacts.artifact import Artifact, PublishRequest, Writer
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.artifacts.frozen_set import frozen_set_table
from quantlab_core.artifacts.table_attributes import with_attributes
from quantlab_core.candles.artifact_types import TOKEN_CANDLES
from quantlab_core.candles.source_spans import SourceSpan, encode_spans
from quantlab_core.experiments.experiment import (
    DateRange,
    ExperimentConfig,
    ExperimentDefinition,
    ExperimentInputs,
    ExperimentProvenance,
)
from quantlab_core.simulation.engine_version import ENGINE_VERSION
from quantlab_core.simulation.strategy import parse_strategy, strategy_mapping
from quantlab_resources.lab import Lab

DAYS = 90
CALLERS = 200
_DAY_MS = 86_400_000
_HOURS_BEFORE_MS = 4 * 3_600_000
_WRITER = Writer(name="benchmarks", version="1", git_commit="0" * 40, git_dirty=False)
_BATCH = 100

STRATEGY: dict[str, Any] = STRATEGIES["stop, trailing stop, two targets"] | {"stake": 100.0}
PARAMS: dict[str, Any] = {"portfolio": {"starting_capital": 100_000.0}}


def publish_inputs(lab: Lab, *, series: int, alerts: int, rows: int = SERIES_ROWS) -> tuple[str, str]:
    """Publish the series, the alerts and their sets; the ids of the alert set and of the candle set."""
    members: list[Artifact] = []
    for first in range(0, series, _BATCH):
        requests = [_series_request(number, rows) for number in range(first, min(first + _BATCH, series))]
        members.extend(result.artifact for result in lab.artifacts.publish_many(requests))
    days = [result.artifact for result in lab.artifacts.publish_many(_alert_requests(alerts, series))]
    return _published_set(lab, "alerts", days), _published_set(lab, "candles", members)


def create_experiment(lab: Lab, experiment_id: str, sets: tuple[str, str], **strategy: Any) -> ExperimentDefinition:
    """Put a pending experiment on record."""
    alert_set, candle_set = sets
    mapping = strategy_mapping(parse_strategy(STRATEGY | strategy))
    definition = ExperimentDefinition(
        experiment_id=experiment_id,
        name=experiment_id,
        inputs=ExperimentInputs((alert_set,), (candle_set,)),
        config=ExperimentConfig(mapping, DateRange(None, None), PARAMS),
        provenance=ExperimentProvenance("0" * 40, False, ENGINE_VERSION, "2025-08-01T00:00:00Z"),
        alert_set_id=alert_set,
        candle_set_id=candle_set,
    )
    return lab.experiments.create(definition).definition


def _first_ms(number: int) -> int:
    return FIRST_CANDLE_MS + number % DAYS * _DAY_MS - _HOURS_BEFORE_MS


def _series_request(number: int, rows: int) -> PublishRequest:
    opens_us = (_first_ms(number) + MINUTE_MS * np.arange(rows, dtype=np.int64)) * 1_000
    walk = price_walk(number, rows)
    first = datetime.fromtimestamp(_first_ms(number) / 1_000, UTC)
    columns: Mapping[str, pa.Array[Any]] = {
        "token_address": pa.array([token(number)] * rows),
        "chain": pa.array(["solana"] * rows),
        "ts": pa.array(opens_us).cast(pa.timestamp("us", tz="UTC")),
        **{name: pa.array(values) for name, values in walk.items()},
        "slices": pa.array(np.ones(rows, dtype=np.int32)),
        "conflicts": pa.array(np.zeros(rows, dtype=np.int32)),
        "is_traded": pa.array(walk["volume"] > 0),
        "silent_before": pa.array(np.zeros(rows, dtype=np.int64)),
        "unasked_before": pa.array(np.zeros(rows, dtype=np.int64)),
    }
    table = pa.table([columns[name] for name in TOKEN_CANDLES.schema.names], schema=TOKEN_CANDLES.schema)
    spans = encode_spans([SourceSpan(first, first + rows * timedelta(minutes=1))])
    stated = {"resolution": "1m", "source": "file", "source_spans": spans, "price_unit": "usd", "volume_unit": "usd"}
    return _request(TOKEN_CANDLES, f"token={token(number)}/chain=solana/res=1m", with_attributes(table, stated))


def _alert_requests(alerts: int, series: int) -> list[PublishRequest]:
    chance = np.random.default_rng(7)
    of_series = chance.integers(0, series, alerts)
    seconds = chance.integers(0, 86_400, alerts)
    by_day: dict[int, list[dict[str, Any]]] = {}
    for number, (one, second) in enumerate(zip(of_series.tolist(), seconds.tolist(), strict=True)):
        at_ms = FIRST_CANDLE_MS + one % DAYS * _DAY_MS + 1_000 * second
        by_day.setdefault(one % DAYS, []).append(
            {
                "alert_ts_utc": datetime.fromtimestamp(at_ms / 1_000, UTC),
                "alert_id": f"alert-{number:08d}",
                "chain": "solana",
                "mint": token(one),
                "called_address": token(one),
                "address_kind": "token",
                "mint_source": "text",
                "alert_chat_id": 1 + number % 7,
                "alert_message_id": number,
                "caller_name_norm": f"caller {int(number * 2_654_435_761 % 2**32) % CALLERS}",
                "token_proven_at_call": True,
            }
        )
    return [
        _request(ALERTS, f"day={_day(day)}/chain=solana", pa.Table.from_pylist(rows, schema=ALERTS.schema))
        for day, rows in sorted(by_day.items())
    ]


def _day(day: int) -> str:
    return datetime.fromtimestamp((FIRST_CANDLE_MS + day * _DAY_MS) / 1_000, UTC).date().isoformat()


def _published_set(lab: Lab, of: str, members: list[Artifact]) -> str:
    request = _request(ARTIFACT_SET, f"of={of}/selection=benchmark", frozen_set_table(members), members)
    return lab.artifacts.publish(request).artifact.artifact_id


def _request(
    spec: ArtifactType, logical_key: str, table: pa.Table, inputs: list[Artifact] | None = None
) -> PublishRequest:
    return PublishRequest(
        artifact_type=spec.name,
        schema_version=spec.version,
        logical_key=logical_key,
        data=table,
        writer=_WRITER,
        input_artifact_ids=[artifact.artifact_id for artifact in inputs or ()],
    )
