"""Assets of the group ``ohlcv``: from candle files to one series per token and the frozen set of series."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from quantlab_assets.artifact_asset import OWNER, Step, Upstream, artifact_asset, type_tags
from quantlab_assets.candle_slices import GROUP, ohlcv_slices, slice_revisions
from quantlab_assets.frozen_sets import current_set_draft
from quantlab_assets.group_guides import guided
from quantlab_assets.imported_candles import imported_candles
from quantlab_assets.partitions import CANDLE_FILES
from quantlab_assets.token_candles import token_candles
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET, RAW_FILE
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft

candle_files = dg.AssetSpec(
    "candle_files",
    description=guided(GROUP, "candle_files", f"{RAW_FILE.doc} `quantlab ohlcv import FILE` archives one."),
    group_name=GROUP,
    owners=[OWNER],
    tags=type_tags(RAW_FILE),
    kinds={"csv", "json", "parquet"},
    partitions_def=CANDLE_FILES,
)


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


OHLCV_ASSETS = (candle_files, imported_candles, ohlcv_slices, slice_revisions, token_candles, candle_set)
