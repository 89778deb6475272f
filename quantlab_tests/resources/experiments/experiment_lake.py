"""A lake for the tests of experiments: frozen sets over small tables, and definitions that pin them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from quantlab_core.artifacts.artifact import Artifact, PublishRequest, Writer
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.artifacts.frozen_set import frozen_set_table
from quantlab_core.experiments.artifact_types import EXPERIMENT_METRICS
from quantlab_core.experiments.experiment import (
    DateRange,
    ExperimentConfig,
    ExperimentDefinition,
    ExperimentInputs,
    ExperimentProvenance,
)
from quantlab_core.simulation.presets import PRESETS
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.experiments.experiment_tracker import ArtifactExperimentTracker

WRITER = Writer("test", "1", "0" * 40, False)


@dataclass(frozen=True)
class ExperimentLake:
    store: ParquetArtifactStore
    tracker: ArtifactExperimentTracker

    def publish(self, type_name: str, key: str, value: int) -> Artifact:
        table = pa.table({"value": [value]})
        return self.store.publish(PublishRequest(type_name, 1, key, table, WRITER)).artifact

    def frozen_set(self, of: str, selection: str, members: Sequence[Artifact]) -> Artifact:
        request = PublishRequest(
            ARTIFACT_SET.name,
            ARTIFACT_SET.version,
            f"of={of}/selection={selection}",
            frozen_set_table(members),
            WRITER,
            input_artifact_ids=[member.artifact_id for member in members],
        )
        return self.store.publish(request).artifact

    def definition(
        self,
        experiment_id: str = "first",
        *,
        alerts: Sequence[Artifact] | None = None,
        ohlcv: Sequence[Artifact] | None = None,
        strategy: str = "hold_24h",
        **provenance: Any,
    ) -> ExperimentDefinition:
        """A definition over frozen sets of ``alerts`` and ``ohlcv``, which are also its inputs as given."""
        alerts = [self.publish("calls", "part=a", 1)] if alerts is None else alerts
        ohlcv = [self.publish("prices", "part=a", 2)] if ohlcv is None else ohlcv
        recorded = {"git_commit": "c0ffee", "git_dirty": False, "engine_version": "1"}
        recorded |= {"created_at": "2025-06-01T00:00:00.000Z"} | provenance
        return ExperimentDefinition(
            experiment_id=experiment_id,
            name=f"Experiment {experiment_id}",
            inputs=ExperimentInputs(
                tuple(artifact.artifact_id for artifact in alerts), tuple(artifact.artifact_id for artifact in ohlcv)
            ),
            config=ExperimentConfig(PRESETS[strategy], DateRange("2025-05-01", "2025-05-31")),
            provenance=ExperimentProvenance(**recorded),
            alert_set_id=self.frozen_set("alerts", f"of-{experiment_id}", alerts).artifact_id,
            candle_set_id=self.frozen_set("candles", f"of-{experiment_id}", ohlcv).artifact_id,
        )

    def metrics(self, experiment_id: str, value: float) -> PublishRequest:
        """Metrics of one experiment: ``win_rate`` over all, and of one caller."""
        rows = [
            {"param_id": "base", "scope": scope, "scope_key": key, "metric": "win_rate", "value": value, "n": 4}
            for scope, key in (("all", "all"), ("caller", "alice"))
        ]
        return PublishRequest(
            EXPERIMENT_METRICS.name,
            EXPERIMENT_METRICS.version,
            f"experiment={experiment_id}/metrics",
            pa.Table.from_pylist(rows, schema=EXPERIMENT_METRICS.schema),
            WRITER,
        )
