"""A lake for the tests of projections: alerts, candles and frozen sets in the schemas of their types."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from quantlab_core.alerts.artifact_types import ALERTS
from quantlab_core.artifacts.artifact import Artifact, PublishRequest, Writer
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.frozen_set import frozen_set_table
from quantlab_core.artifacts.table_attributes import with_attributes
from quantlab_core.candles.artifact_types import CANDLE_ATTRIBUTES, CANDLE_SCHEMA, OHLCV_SLICE
from quantlab_core.candles.earlier_types import EARLIER_SLICE
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.clock import SystemClock
from quantlab_resources.lake_paths import LakePaths
from quantlab_resources.projections.projection_builder import DuckDBProjectionBuilder

DAY = datetime(2025, 5, 1, tzinfo=UTC)
WINDOW = "from=2025-04-30T20:00:00Z/to=2025-05-03T00:00:00Z"
WRITER = Writer("test", "1", "0" * 40, False)


@dataclass(frozen=True)
class SmallLake:
    store: ParquetArtifactStore
    builder: DuckDBProjectionBuilder
    cache: Path

    def publish(self, type_name: str, version: int, key: str, table: pa.Table, inputs: Sequence[str] = ()) -> Artifact:
        request = PublishRequest(type_name, version, key, table, WRITER, input_artifact_ids=inputs)
        return self.store.publish(request).artifact

    def cached(self) -> list[str]:
        """Names in the cache folder, locks aside."""
        return sorted(path.name for path in self.cache.iterdir() if not path.name.endswith("-lock"))

    def record(self, projection_id: str) -> Path:
        """Where the projection's record lies."""
        return self.store.paths.projection_records / f"{projection_id}.json"

    def candles(self, token: str, closes: Sequence[float]) -> Artifact:
        """One token's candles, a minute apart from `DAY`, all prices of a candle equal."""
        return self.candles_of({token: closes})[0]

    def candles_of(self, closes: Mapping[str, Sequence[float]]) -> list[Artifact]:
        """Candles of several tokens, published together."""
        requests = [_candle_request(token, prices) for token, prices in closes.items()]
        return [result.artifact for result in self.store.publish_many(requests)]

    def earlier_candles(self, token: str, closes: Sequence[float]) -> Artifact:
        """The same as the earlier store kept them: another schema version, without chain, times without a zone."""
        n = len(closes)
        times = [(DAY + timedelta(minutes=i)).replace(tzinfo=None) for i in range(n)]
        columns = [[token] * n, times, *([list(closes)] * 4), [1.0] * n]
        schema = EARLIER_SLICE.schema
        table = pa.table([pa.array(v, f.type) for v, f in zip(columns, schema, strict=True)], schema=schema)
        key = f"token={token}/chain=solana/res=1m/{WINDOW}"
        return self.publish(EARLIER_SLICE.name, EARLIER_SLICE.version, key, table)

    def appended_rows(self, projection_id: str) -> list[int]:
        """Rows of each table that a refresh moved since all were sorted: 0 after a build."""
        tables = json.loads(self.record(projection_id).read_text(encoding="utf-8"))["tables"]
        return [table["appendedRows"] for table in tables]

    def alerts(self, day: str, calls: Sequence[tuple[str, str, datetime]]) -> Artifact:
        """Alerts (alert id, token, time) of one day."""
        rows = []
        for alert_id, token, at in calls:
            row = {field.name: _filler(field) for field in ALERTS.schema}
            rows.append(row | {"alert_id": alert_id, "mint": token, "alert_ts_utc": at, "caller_name": f"by {token}"})
        table = pa.Table.from_pylist(rows, schema=ALERTS.schema)
        return self._publish(ALERTS, f"day={day}/chain=solana", table)

    def frozen_set(self, of: str, selection: str, members: Sequence[Artifact]) -> Artifact:
        ids = [member.artifact_id for member in members]
        return self.publish("artifact_set", 1, f"of={of}/selection={selection}", frozen_set_table(members), ids)

    def _publish(self, spec: ArtifactType, key: str, table: pa.Table) -> Artifact:
        return self.publish(spec.name, spec.version, key, table)


def lake_at(home: Path, *, cache: Path | None = None) -> SmallLake:
    """The lake at ``home``, made if it is not there; its cache is in it unless another folder is given."""
    paths = LakePaths.from_environment(home, {})
    store = ParquetArtifactStore.create(paths, clock=SystemClock())
    folder = cache or paths.projection_cache
    return SmallLake(store, DuckDBProjectionBuilder(store, folder), folder)


def _candle_request(token: str, closes: Sequence[float]) -> PublishRequest:
    n = len(closes)
    prices = [list(closes)] * 4
    columns = [[token] * n, ["solana"] * n, [DAY + timedelta(minutes=i) for i in range(n)], *prices, [1.0] * n]
    table = pa.table([pa.array(v, f.type) for v, f in zip(columns, CANDLE_SCHEMA, strict=True)], schema=CANDLE_SCHEMA)
    table = with_attributes(table, dict.fromkeys(CANDLE_ATTRIBUTES, "unknown"))
    key = f"token={token}/chain=solana/res=1m/{WINDOW}"
    return PublishRequest(OHLCV_SLICE.name, OHLCV_SLICE.version, key, table, WRITER)


def _filler(field: pa.Field) -> object:
    if field.nullable:
        return None
    if pa.types.is_integer(field.type):
        return 1
    return False if pa.types.is_boolean(field.type) else "x"
