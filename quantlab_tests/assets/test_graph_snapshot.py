"""The asset graph as it stands, written out: whoever changes it sees here what others see in Dagster."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from quantlab_assets.artifact_asset import OWNER
from quantlab_assets.checks.lake_checks import IS_WHOLE, ROW_COUNT
from quantlab_assets.column_lineage import COLUMNS_MADE_FROM
from quantlab_assets.definitions import build_defs
from quantlab_assets.group_guides import GROUP_GUIDES
from quantlab_core.artifacts.registry import ARTIFACT_TYPES
from quantlab_resources.first_day import first_day
from quantlab_resources.freshness.lake_freshness import UPSTREAM

ROOT = Path(__file__).parents[2]
HEAVY = (
    *("polars", "pandas", "duckdb", "matplotlib", "numba", "chdb", "lxml"),
    "quantlab_core.alerts.classification",
    "quantlab_core.experiments.execute_experiment",
    "quantlab_resources.candles.files.candle_file",
)

SNAPSHOT = """
alert_events            alerts       days          parquet           2      < telegram_messages
alert_forward_coverage  coverage     -             parquet           3      < alert_set, candle_set
alert_set               alerts       -             parquet           1      < alerts
alerts                  alerts       days          parquet           1      < alert_events
alerts_quarantine       alerts       exports       parquet+telegram  3      < telegram_exports
caller_aliases          alerts       -             yaml              -      <
caller_leaderboard      leaderboards  -           parquet           1      < experiment_metrics, experiment_trades
candle_files            ohlcv        candle_files  csv+json+parquet  -      <
candle_set              ohlcv        -             parquet           1      < token_candles
candles_quarantine      ohlcv        candle_files  parquet           2      < candle_files
code_patches            experiments  -             git               -      <
coverage_gaps           coverage     -             parquet           3      < alert_set, candle_set
coverage_summary        coverage     -             parquet           3      < alert_set, candle_set
experiment_curves       experiments  experiments   parquet           1.1.0  < experiment_definitions
experiment_definitions  experiments  experiments   parquet    1     < alert_set, caller_aliases, candle_set, strategies
experiment_diagnostics  experiments  experiments   parquet           1.1.0  < experiment_definitions
experiment_fills        experiments  experiments   parquet           1.1.0  < experiment_definitions
experiment_leaderboard  leaderboards  -           parquet           1      < experiment_metrics
experiment_metrics      experiments  experiments   parquet           1.1.0  < experiment_definitions
experiment_outcome      experiments  experiments   parquet           1.1.0  < experiment_definitions
experiment_parameter_sets  experiments  experiments  parquet         1.1.0  < experiment_definitions
experiment_trades       experiments  experiments   parquet           1.1.0  < experiment_definitions
imported_candles        ohlcv        candle_files  parquet           2      < candle_files
lookahead_audits        experiments  experiments   parquet           1      < experiment_definitions, experiment_trades
message_dispositions    alerts       exports       parquet+telegram  3      < telegram_exports
ohlcv_slices            ohlcv        days          parquet           3      < alerts, imported_candles
reproductions           experiments  experiments   parquet           1      < experiment_curves, \
    experiment_definitions, experiment_diagnostics, experiment_fills, experiment_metrics, experiment_parameter_sets, \
    experiment_trades
research_projection     projections  -             duckdb+parquet    1      < alert_set, candle_set
slice_quarantine        ohlcv        days          parquet           3      < alerts, imported_candles
slice_revisions         ohlcv        days          parquet           1      < ohlcv_slices
strategies              experiments  -             yaml              -      <
telegram_exports        alerts       exports       json+telegram     -      <
telegram_messages       alerts       exports       parquet+telegram  3      < telegram_exports
token_calls             alerts       -             parquet           2      < alert_set, caller_aliases
token_candles           ohlcv        tokens        parquet           2      < ohlcv_slices
"""
"""Asset, group, partitions, kinds, code version, upstream assets. External assets have no code version."""

MAPPINGS = {
    ("telegram_messages", "alert_events"): "AllPartitionMapping",
    ("alerts", "alert_set"): "AllPartitionMapping",
    ("imported_candles", "ohlcv_slices"): "AllPartitionMapping",
    ("imported_candles", "slice_quarantine"): "AllPartitionMapping",
    ("ohlcv_slices", "token_candles"): "AllPartitionMapping",
    ("token_candles", "candle_set"): "AllPartitionMapping",
    ("experiment_metrics", "caller_leaderboard"): "AllPartitionMapping",
    ("experiment_trades", "caller_leaderboard"): "AllPartitionMapping",
    ("experiment_metrics", "experiment_leaderboard"): "AllPartitionMapping",
}
"""Edges with a declared partition mapping; all others are Dagster's own, equal key to equal key."""


@dataclass(frozen=True)
class Row:
    asset: str
    group: str
    partitions: str
    kinds: str
    code_version: str
    upstream: tuple[str, ...]


def written_row(line: str) -> Row:
    words, _, upstream = line.partition("<")
    asset, group, partitions, kinds, code_version = words.split()
    return Row(
        asset,
        group,
        partitions,
        kinds,
        code_version,
        tuple(name.strip() for name in upstream.split(",") if name.strip()),
    )


def actual_rows() -> list[Row]:
    return [
        Row(
            asset=spec.key.to_user_string(),
            group=str(spec.group_name),
            partitions=partitions_name(spec.partitions_def),
            kinds="+".join(sorted(spec.kinds)),
            code_version=spec.code_version or "-",
            upstream=tuple(sorted(dep.asset_key.to_user_string() for dep in spec.deps)),
        )
        for spec in specs()
    ]


def specs() -> list[dg.AssetSpec]:
    return sorted(build_defs().resolve_all_asset_specs(), key=lambda spec: spec.key)


def partitions_name(partitions: dg.PartitionsDefinition | None) -> str:
    if partitions is None:
        return "-"
    return str(partitions.name) if isinstance(partitions, dg.DynamicPartitionsDefinition) else "days"


def test_the_graph_is_the_one_that_is_written_here() -> None:
    assert actual_rows() == [written_row(line) for line in SNAPSHOT.strip().splitlines()]


def test_only_the_fan_ins_declare_a_partition_mapping() -> None:
    declared = {
        (dep.asset_key.to_user_string(), spec.key.to_user_string()): type(dep.partition_mapping).__name__
        for spec in specs()
        for dep in spec.deps
        if dep.partition_mapping is not None
    }
    assert declared == MAPPINGS


def test_the_checks_of_the_graph_and_which_are_judged_before_anything_is_published() -> None:
    checks = all_checks()
    of_every_asset = {found: checks.pop(found) for found in list(checks) if found[1] in (IS_WHOLE, ROW_COUNT)}
    assert {asset for asset, check in of_every_asset if check == IS_WHOLE} == {s.key.to_user_string() for s in specs()}
    assert not any(of_every_asset.values())
    assert checks == {
        ("alert_forward_coverage", "alerts_are_covered"): True,
        ("alert_forward_coverage", "every_alert_is_measured"): True,
        ("imported_candles", "every_row_is_accounted_for"): True,
        ("alert_events", "chains_are_known"): True,
        ("alert_events", "keeps_adopted_calls"): True,
        ("alerts", "keeps_adopted_calls"): True,
        ("telegram_messages", "every_message_is_accounted_for"): True,
        ("telegram_messages", "few_are_quarantined"): True,
        ("telegram_messages", "none_is_of_the_future"): True,
        ("experiment_trades", "does_not_look_ahead"): False,
        ("research_projection", "file_holds_the_receipt"): False,
        **{(asset, "is_current"): False for asset in UPSTREAM},
    }


def all_checks() -> dict[tuple[str, str], bool]:
    graph = build_defs().resolve_asset_graph()
    return {(key.asset_key.to_user_string(), key.name): graph.get(key).blocking for key in graph.asset_check_keys}


def test_columns_name_columns_of_assets_that_they_can_come_from() -> None:
    graph, schemas = build_defs().resolve_asset_graph(), {}
    for spec in specs():
        if "dagster/column_schema" in spec.metadata:
            schemas[spec.key] = {column.name: column for column in spec.metadata["dagster/column_schema"].columns}
    declared = {spec.key for spec in specs() if "dagster/column_lineage" in spec.metadata}
    assert declared == {dg.AssetKey(asset) for asset in COLUMNS_MADE_FROM}
    for key in declared:
        lineage = graph.get(key).metadata["dagster/column_lineage"].deps_by_column
        assert lineage.keys() <= schemas[key].keys()
        for column, made_from in lineage.items():
            for dep in made_from:
                assert dep.column_name in schemas[dep.asset_key], (key, column, dep)
                assert dep.asset_key in graph.get_ancestor_asset_keys(key), (key, column, dep)
                assert dep.asset_key.to_user_string() in schemas[key][column].description


def test_the_guide_of_every_group_stands_at_its_first_asset_and_every_other_asset_names_that() -> None:
    descriptions = {spec.key.to_user_string(): (str(spec.group_name), spec.description or "") for spec in specs()}
    assert {group for group, _ in descriptions.values()} == GROUP_GUIDES.keys()
    for asset, (group, description) in descriptions.items():
        guide = GROUP_GUIDES[group]
        assert (guide.text in description) == (asset == guide.first_asset)
        assert asset == guide.first_asset or f"`{guide.first_asset}`" in description
    assert "`raw/<sha256>`" in descriptions["telegram_exports"][1], "Markdown would swallow it"


@pytest.mark.parametrize("spec", specs(), ids=lambda spec: spec.key.to_user_string())
def test_every_asset_says_what_it_is_and_who_owns_it(spec: dg.AssetSpec) -> None:
    assert spec.owners == [OWNER]
    assert spec.description
    assert len(spec.description) > 40
    types = [t for t in ARTIFACT_TYPES if spec.key.to_user_string() in t.assets]
    if "dagster/column_schema" not in spec.metadata:
        assert spec.key.to_user_string() in {"telegram_exports", "candle_files"}
        return
    columns = spec.metadata["dagster/column_schema"].columns
    assert [column.name for column in columns] in [artifact_type.schema.names for artifact_type in types]
    assert all(column.description for column in columns)
    assert spec.metadata["artifact_type"] in [artifact_type.label for artifact_type in types]


def test_days_begin_where_the_environment_says_and_end_today() -> None:
    (days,) = {spec.partitions_def for spec in specs() if partitions_name(spec.partitions_def) == "days"}
    assert isinstance(days, dg.DailyPartitionsDefinition)
    assert (days.start.date(), days.timezone, days.end_offset) == (first_day(), "UTC", 1)


def test_loading_the_graph_imports_nothing_heavy() -> None:
    code = f"import sys, quantlab_assets.definitions; print([name for name in {HEAVY} if name in sys.modules])"
    assert run([sys.executable, "-c", code]).stdout.strip() == "[]"


def test_dagster_accepts_the_definitions(tmp_path: Path) -> None:
    dagster = str(Path(sys.executable).with_name("dagster"))
    run([dagster, "definitions", "validate", "-m", "quantlab_assets.definitions"], QUANTLAB_HOME=str(tmp_path / "lake"))


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """The command's output; its standard error is shown when it fails."""
    variables = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"} | environment
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    return done
