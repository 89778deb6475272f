"""Assets of the group ``ohlcv``: from candle files to one series per token and the frozen set of series."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from quantlab_assets.artifact_asset import OWNER, Step, Upstream, artifact_asset
from quantlab_assets.frozen_sets import current_set_draft
from quantlab_assets.partitions import CANDLE_FILES, DAYS, TOKENS, day_of
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET, RAW_FILE
from quantlab_core.artifacts.logical_key import format_key, parse_key
from quantlab_core.artifacts.timestamp_text import parse_timestamp
from quantlab_core.candles.artifact_types import CANDLES_QUARANTINE, IMPORTED_CANDLES, OHLCV_SLICE, TOKEN_CANDLES
from quantlab_core.candles.candle_source import CandleRequest
from quantlab_core.candles.slices import cohort_window, slice_key_parts, slice_table
from quantlab_core.candles.token_series import merge_slices
from quantlab_core.token import SOLANA, Token
from quantlab_resources.candles.candle_file import read_candle_file
from quantlab_resources.candles.declaration_config import declaration_from_config
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft
from quantlab_resources.dagster_io.upstream_artifacts import UpstreamArtifacts

GROUP = "ohlcv"
RESOLUTION = "1m"

candle_files = dg.AssetSpec(
    "candle_files",
    description=f"{RAW_FILE.doc} `quantlab ohlcv import FILE` archives one.",
    group_name=GROUP,
    owners=[OWNER],
    kinds={"csv", "parquet"},
    partitions_def=CANDLE_FILES,
)


@artifact_asset(
    name="imported_candles",
    specs=[IMPORTED_CANDLES, CANDLES_QUARANTINE],
    group=GROUP,
    code_version="1",
    deps=["candle_files"],
    partitions_def=CANDLE_FILES,
    config_schema={"declaration": dg.Field(dg.Permissive({}), is_required=False, default_value={})},
)
def imported_candles(step: Step) -> Iterator[ArtifactDraft]:
    """Read from the archived file of this partition; what the file does not name comes from the run's declaration."""
    raw = step.raw_file("candle_file")
    declared = step.config["declaration"]
    file = read_candle_file(
        raw.path,
        declaration_from_config(declared),
        # The last candle of a file stays unfinished for ever, so "closed" is judged at the time the file came in.
        as_of=parse_timestamp(raw.artifact.created_at),
    )
    for spec, table in ((IMPORTED_CANDLES, file.candles), (CANDLES_QUARANTINE, file.quarantine)):
        yield ArtifactDraft(
            spec, {"file": step.key}, table, inputs=[raw.artifact.artifact_id], params={"declaration": declared}
        )


@artifact_asset(
    name="ohlcv_slices",
    specs=[OHLCV_SLICE],
    group=GROUP,
    code_version="1",
    inputs={"alerts": Upstream("alerts")},
    deps=[dg.AssetDep("imported_candles", partition_mapping=dg.AllPartitionMapping())],
    partitions_def=DAYS,
)
def ohlcv_slices(step: Step) -> Iterator[ArtifactDraft]:
    """Asks the candle source for every token called on this day.

    A token unknown to the source gives no slice. One that it knew before, and no longer does, gets an empty successor:
    a file that was imported again with another token or zone must leave nothing behind.
    """
    start, end = cohort_window(day_of(step.key))
    alert_artifacts: dict[Token, str] = {}
    for artifact in step["alerts"].with_key(day=step.key):
        day_alerts = step["alerts"].read(artifact)
        for chain, mint in zip(day_alerts["chain"].to_pylist(), day_alerts["mint"].to_pylist(), strict=True):
            alert_artifacts[Token(chain, mint)] = artifact.artifact_id
    tokens = sorted(alert_artifacts)
    requests = [CandleRequest(token.address, token.chain, RESOLUTION, start, end) for token in tokens]
    for token, sourced in zip(tokens, step.lab.candle_source.fetch_many(requests), strict=True):
        key = slice_key_parts(token, RESOLUTION, start, end)
        is_unknown = not sourced.spans and not sourced.candles.num_rows
        if is_unknown and not step.lab.artifacts.heads(OHLCV_SLICE.name, format_key(OHLCV_SLICE, key)):
            continue
        for artifact_id in sourced.input_artifact_ids:
            step.note_read(artifact_id)
        yield ArtifactDraft(
            OHLCV_SLICE,
            key,
            slice_table(token, RESOLUTION, sourced),
            inputs=[alert_artifacts[token], *sourced.input_artifact_ids],
            tags={"token": token.address, "resolution": RESOLUTION, "chain": token.chain},
        )


@artifact_asset(
    name="token_candles",
    specs=[TOKEN_CANDLES],
    group=GROUP,
    code_version="1",
    inputs={"slices": Upstream("ohlcv_slices", dg.AllPartitionMapping())},
    partitions_def=TOKENS,
)
def token_candles(step: Step) -> Iterator[ArtifactDraft]:
    """Merges the slices of this token; where slices overlap and differ, the stated conflict rule decides."""
    token = Token.from_partition_key(step.key)
    upstream = step["slices"]
    by_resolution: dict[str, list[str]] = {}
    slices = {}
    for artifact in _slices_of(upstream, token):
        parts = parse_key(OHLCV_SLICE, artifact.logical_key)
        if Token.from_key_parts(parts) == token:
            by_resolution.setdefault(parts["res"], []).append(artifact.artifact_id)
            slices[artifact.artifact_id] = upstream.read(artifact)
    upstream.drop_cache()
    for resolution, ids in sorted(by_resolution.items()):
        merged = merge_slices([slices[artifact_id] for artifact_id in ids])
        yield ArtifactDraft(TOKEN_CANDLES, {**token.key_parts, "res": resolution}, merged, inputs=ids)


@artifact_asset(
    name="candle_set",
    specs=[ARTIFACT_SET],
    group=GROUP,
    code_version="1",
    inputs={"series": Upstream("token_candles", dg.AllPartitionMapping())},
)
def candle_set(step: Step) -> Iterator[ArtifactDraft]:
    """Freezes the current series of all tokens."""
    yield current_set_draft("candles", step["series"], step["series"].all())


def _slices_of(upstream: UpstreamArtifacts, token: Token) -> list[Artifact]:
    """Slices whose key begins with the token; the earlier store's keys have EVM addresses with their capitals."""
    if token.chain == SOLANA:
        return upstream.with_key(token=token.address)
    beginning = f"token={token.address}/"
    return [head for head in upstream.beginning_with("token=0") if head.logical_key.lower().startswith(beginning)]


OHLCV_ASSETS = (candle_files, imported_candles, ohlcv_slices, token_candles, candle_set)
