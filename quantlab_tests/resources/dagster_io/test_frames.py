"""What a consumer gets for an upstream asset: the rows in the frame type that it annotates, checked and recorded."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from quantlab_assets.partitions import DAYS, TOKENS, add_partitions, day_of
from quantlab_core.alerts.artifact_types import ALERT_EVENTS
from quantlab_core.artifacts.artifact import PublishRequest
from quantlab_core.artifacts.logical_key import format_key
from quantlab_core.artifacts.table_attributes import attributes_of, with_attributes
from quantlab_core.candles.artifact_types import OHLCV_SLICE, TOKEN_CANDLES
from quantlab_core.candles.series_quality import with_quality_of_version_1
from quantlab_core.candles.slices import cohort_window, slice_key_parts
from quantlab_core.errors import ArtifactDamagedError, SchemaError
from quantlab_core.token import Token
from quantlab_resources.dagster_io.upstream_artifacts import UpstreamArtifacts
from quantlab_resources.lab import Lab
from quantlab_tests.resources.artifacts.lakes import candles
from quantlab_tests.resources.dagster_io.small_graph import (
    FIRST,
    SECOND,
    THIRD,
    WRITER,
    SmallGraph,
    damage,
    publish_events,
    stored_file,
)

CAPS = {FIRST: 1.0, SECOND: 2.0, THIRD: 3.0}


def caps_of(frame: Any) -> list[float]:
    """The market caps of the rows, in whatever frame they came."""
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    column = frame["mcap_at_call_usd"]
    return list(column.to_pylist() if isinstance(frame, pa.Table) else column.to_list())


def consumer(
    frame_type: Any,
    seen: list[Any],
    *,
    upstream: str = "alert_events",
    partitions: dg.PartitionsDefinition | None = DAYS,
) -> dg.AssetsDefinition:
    """An asset of somebody else's that reads ``upstream`` as ``frame_type`` and stores nothing in the lake."""

    def reader(frame: Any) -> None:
        seen.append(frame)

    reader.__annotations__["frame"] = frame_type
    return dg.asset(name="reader", ins={"frame": dg.AssetIn(upstream)}, partitions_def=partitions)(reader)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallGraph]:
    """Three days of events, for tests that only read."""
    with dg.DagsterInstance.ephemeral() as instance:
        graph = SmallGraph(Lab.create(tmp_path_factory.mktemp("frames") / "lake"), instance)
        for day, mcap in CAPS.items():
            publish_events(graph.lab, day, mcap)
        yield graph


@pytest.mark.parametrize("frame_type", [pa.Table, pl.DataFrame, pl.LazyFrame, pd.DataFrame, Any])
def test_each_frame_type_holds_the_rows_of_the_mapped_partitions(filled: SmallGraph, frame_type: Any) -> None:
    seen: list[Any] = []
    reader = consumer(frame_type, seen)
    filled.run("reader", partition=SECOND, more=[reader])
    filled.run("reader", days=(FIRST, SECOND), more=[reader])
    everything = consumer(frame_type, seen, partitions=None)
    filled.run("reader", more=[everything])
    assert [type(frame) for frame in seen] == [pa.Table if frame_type is Any else frame_type] * 3
    assert [caps_of(frame) for frame in seen] == [[2.0], [1.0, 2.0], [1.0, 2.0, 3.0]]


def test_times_stay_utc_in_every_frame(filled: SmallGraph) -> None:
    seen: list[Any] = []
    for frame_type in (pa.Table, pl.DataFrame, pd.DataFrame):
        filled.run("reader", partition=FIRST, more=[consumer(frame_type, seen)])
    table, polars_frame, pandas_frame = seen
    noon = table["event_ts_utc"][0].as_py()
    assert noon.isoformat() == f"{FIRST}T12:00:00+00:00"
    assert polars_frame["event_ts_utc"][0] == noon
    assert pandas_frame["event_ts_utc"][0] == noon


def test_an_empty_upstream_is_an_empty_table_in_the_schema_of_its_type(filled: SmallGraph) -> None:
    seen: list[Any] = []
    filled.run("reader", partition="2025-06-01", more=[consumer(pa.Table, seen)])
    assert seen[0].schema.equals(ALERT_EVENTS.schema)
    assert seen[0].num_rows == 0


def test_an_unsupported_frame_type_is_named(filled: SmallGraph) -> None:
    result = filled.run("reader", partition=FIRST, more=[consumer(dict, [])], raise_on_error=False)
    assert own_error(result) == SchemaError.__name__


def test_a_frame_of_damaged_bytes_is_refused(graph: SmallGraph) -> None:
    damage(stored_file(publish_events(graph.lab, FIRST, 1.0)))
    result = graph.run("reader", partition=FIRST, more=[consumer(pa.Table, [])], raise_on_error=False)
    assert own_error(result) == ArtifactDamagedError.__name__


def test_a_handle_reads_nothing_until_it_is_asked(graph: SmallGraph) -> None:
    damage(stored_file(publish_events(graph.lab, FIRST, 1.0)))
    publish_events(graph.lab, SECOND, 2.0)
    seen: list[UpstreamArtifacts] = []
    graph.run("reader", partition=FIRST, more=[consumer(UpstreamArtifacts, seen)])
    (handle,) = seen
    assert [artifact.logical_key[4:14] for artifact in handle.all()] == [FIRST, SECOND]
    assert handle.read(handle.with_key(day=SECOND)[0])["mcap_at_call_usd"].to_pylist() == [2.0]
    with pytest.raises(ArtifactDamagedError):
        handle.read(handle.with_key(day=FIRST)[0])


def own_error(result: dg.ExecuteInProcessResult) -> str | None:
    """Name of the innermost error of the step that failed."""
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    error = failure.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return None if error is None else error.cls_name


def test_partitions_that_are_not_named_in_the_logical_key_are_found_as_well(graph: SmallGraph) -> None:
    """Slices belong to the day of their window, series to their token: neither is the first part of the key."""
    solana, base = Token("solana", "A" * 44), Token("base", "0x" + "b" * 40)
    for closes, token in (([1.0], solana), ([2.0, 3.0], base)):
        table = candles(closes, token.address)
        for day in (FIRST, THIRD):
            key = format_key(OHLCV_SLICE, slice_key_parts(token, "1m", *cohort_window(day_of(day))))
            graph.lab.artifacts.publish(PublishRequest(OHLCV_SLICE.name, OHLCV_SLICE.version, key, table, WRITER))
        key = format_key(TOKEN_CANDLES, {**token.key_parts, "res": "1m"})
        series = with_quality_of_version_1(with_attributes(table, {**attributes_of(table), "source_spans": "[]"}))
        graph.lab.artifacts.publish(PublishRequest(TOKEN_CANDLES.name, TOKEN_CANDLES.version, key, series, WRITER))
    add_partitions(graph.instance, TOKENS, [solana.partition_key, base.partition_key])
    seen: list[Any] = []
    by_day = consumer(pa.Table, seen, upstream="ohlcv_slices", partitions=DAYS)
    by_token = consumer(pa.Table, seen, upstream="token_candles", partitions=TOKENS)
    slices = dg.AssetSpec("ohlcv_slices", partitions_def=DAYS)
    of_tokens = dg.AssetSpec("token_candles", partitions_def=TOKENS)
    graph.run("reader", partition=THIRD, more=[by_day, slices])
    graph.run("reader", partition=base.partition_key, more=[by_token, of_tokens])
    assert sorted(seen[0]["close"].to_pylist()) == [1.0, 2.0, 3.0]
    assert seen[1]["close"].to_pylist() == [2.0, 3.0]
