"""Asset of the group ``projections``: the DuckDB file for queries, and the receipt that says what is in it."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from quantlab_assets.artifact_asset import Step, Upstream, artifact_asset
from quantlab_assets.frozen_sets import current_set
from quantlab_core.projections.artifact_types import PROJECTION_RECEIPT
from quantlab_core.projections.projection_builder import ProjectionRequest
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft

RESEARCH = "research"


@artifact_asset(
    name="research_projection",
    specs=[PROJECTION_RECEIPT],
    group="projections",
    code_version="1",
    inputs={"alert_set": Upstream("alert_set"), "candle_set": Upstream("candle_set")},
    kinds=["duckdb"],
    pool="projection",
)
def research_projection(step: Step) -> Iterator[ArtifactDraft]:
    """Builds the disposable ``cache/research.duckdb``: tables ``alerts`` and ``ohlcv`` from the two frozen sets."""
    alert_set, candle_set = current_set(step["alert_set"]), current_set(step["candle_set"])
    sources = {
        "alerts": step["alert_set"].members(alert_set),
        "ohlcv": step["candle_set"].members(candle_set),
    }
    built = step.lab.projections.build(
        ProjectionRequest(RESEARCH, {"alerts": [alert_set.artifact_id], "ohlcv": [candle_set.artifact_id]})
    )
    step.context.log.info(f"{built.duckdb_path}: {built.total_rows} rows from {built.artifact_count} artifacts")
    rows = [
        {
            "table_name": table_name,
            "logical_key": member.logical_key,
            "artifact_id": member.artifact_id,
            "artifact_type": member.artifact_type,
            "content_hash": member.content_hash,
            "row_count": member.row_count,
        }
        for table_name, members in sources.items()
        for member in members
    ]
    receipt = pa.Table.from_pylist(rows, schema=PROJECTION_RECEIPT.schema)
    inputs = [alert_set.artifact_id, candle_set.artifact_id]
    yield ArtifactDraft(PROJECTION_RECEIPT, {"projection": RESEARCH}, receipt, inputs)


PROJECTION_ASSETS = (research_projection,)
