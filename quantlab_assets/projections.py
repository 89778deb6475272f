"""Asset of the group ``projections``: the DuckDB file for queries, and the receipt that says what is in it."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
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
    """Builds the disposable ``cache/research.duckdb``: tables ``alerts`` and ``ohlcv`` from the two frozen sets.

    Where it is there already, only the rows of artifacts that came or left are changed.
    """
    alert_set, candle_set = current_set(step["alert_set"]), current_set(step["candle_set"])
    sources = {
        "alerts": step["alert_set"].members(alert_set),
        "ohlcv": step["candle_set"].members(candle_set),
    }
    built = step.lab.projections.build(
        ProjectionRequest(RESEARCH, {"alerts": [alert_set.artifact_id], "ohlcv": [candle_set.artifact_id]}),
        incremental=True,
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


@dg.asset_check(
    asset="research_projection",
    name="file_holds_the_receipt",
    required_resource_keys={"lab", "research_duckdb"},
)
def file_holds_the_receipt(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Whether the DuckDB file holds the artifacts of the receipt and no others, each with the rows that went in.

    The rows are counted in the tables themselves.
    """
    store = context.resources.lab.get().artifacts
    (head,) = store.heads(PROJECTION_RECEIPT.name, f"projection={RESEARCH}")
    promised = {(row["table_name"], row["artifact_id"]) for row in store.read(head.artifact_id).to_pylist()}
    with context.resources.research_duckdb.get_connection() as connection:
        counted = _counted_rows(connection)
    differing = [source for source, (went_in, found) in counted.items() if went_in != found]
    differing += promised ^ counted.keys()
    return dg.AssetCheckResult(
        passed=not differing,
        description=f"{len(differing)} artifacts differ between receipt and file, first: {min(differing)}; "
        "`quantlab projections rebuild research`"
        if differing
        else "the file holds the artifacts of its receipt, with all their rows",
        metadata={"artifacts": len(promised), "rows": sum(found for _, found in counted.values())},
    )


def _counted_rows(connection: Any) -> dict[tuple[str, str], tuple[int, int]]:
    """For each (table, artifact id) in the file: how many rows went in, and how many are there."""
    counted: dict[tuple[str, str], tuple[int, int]] = {}
    for (table,) in connection.execute("SELECT DISTINCT table_name FROM quantlab.sources").fetchall():
        rows = connection.execute(
            "SELECT artifact_id, s.row_count, count(r._source_id) FROM quantlab.sources s"  # noqa: S608 - names checked
            f' LEFT JOIN "{table}" r ON r._source_id = s.source_id WHERE s.table_name = ? GROUP BY ALL',
            [table],
        ).fetchall()
        counted |= {(table, artifact_id): (went_in, found) for artifact_id, went_in, found in rows}
    return counted


PROJECTION_ASSETS = (research_projection,)
PROJECTION_CHECKS = (file_holds_the_receipt,)
