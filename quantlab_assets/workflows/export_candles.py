"""Candles of one token and any window, exported by hand: for tokens that nobody called, and for pools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import dagster as dg
import pyarrow as pa

from quantlab_assets.slice_drafts import slice_draft, slice_key, token_of, why_left
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.refresh_research import refresh_series
from quantlab_assets.workflows.sync_dagster import sync_dagster
from quantlab_core.alerts.addresses import normalise_token_address
from quantlab_core.artifacts.artifact import Artifact, PublishRequest, Writer
from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.candles.aggregation import aggregate_series
from quantlab_core.candles.artifact_types import OHLCV_SLICE
from quantlab_core.candles.candle_source import CandleRequest, CandleSource, SourcedCandles
from quantlab_core.candles.resolution import RESOLUTIONS, finer_than, length_of
from quantlab_core.candles.slice_coverage import SliceCoverage, slice_coverage
from quantlab_core.candles.slices import slice_table
from quantlab_core.candles.source_spans import SourceSpan, decode_spans
from quantlab_core.errors import InvalidInputError, NotFoundError
from quantlab_core.token import Token
from quantlab_resources.dagster_io.artifact_partition import partition_of
from quantlab_resources.dagster_io.materialization_metadata import described
from quantlab_resources.version import QUANTLAB_VERSION

WRITER_NAME = "ohlcv-slice-exporter"
ASKED_BY = "ohlcv-export"


@dataclass(frozen=True, slots=True)
class ExportedSlice:
    """One slice in the lake: what it holds, how much of its window it covers, and what became of rows left out."""

    artifact: Artifact
    is_new: bool
    superseded_artifact_id: str | None
    table: pa.Table
    spans: tuple[SourceSpan, ...]
    coverage: SliceCoverage
    made_of: str
    """The resolution of the source's candles: another than the slice's where these were aggregated."""
    rejected_by_rule: Mapping[str, int]
    conflicting_candles: int

    @property
    def attributes(self) -> dict[str, str]:
        """What the slice states of itself: source and units above all."""
        return attributes_of(self.table)


@dataclass(frozen=True, slots=True)
class _Answer:
    sourced: SourcedCandles
    table: pa.Table
    made_of: str


def export_candles(runs: LakeRuns, request: CandleRequest) -> ExportedSlice:
    """Ask the source, publish the answer as a slice, and bring the token's series and what rests on it up to date.

    Candles are taken in the resolution that is asked for, else made of the coarsest finer ones that the source has. A
    second call with the same answer changes nothing. Raises NotFoundError for a token that the source does not know
    and never knew in this window, or where the slice that there is stays (see `kept_slices`), InvalidInputError for an
    address or chain that is none, a window that runs backwards or units that contradict each other, CandleSourceError.
    """
    if request.start >= request.end:
        raise InvalidInputError(f"from {request.start} is not before to {request.end}; no candle lies there")
    length_of(request.resolution)
    store = runs.lab.artifacts
    token, request = _normalised(request)
    sequence = store.last_sequence()
    answer = _ask(runs.lab.candle_source, request)
    if answer.sourced.is_refused:
        raise InvalidInputError(f"{token.partition_key}: {answer.sourced.rejections[0].reason}; nothing was exported")
    if answer.sourced.is_unknown and not store.heads(OHLCV_SLICE.name, slice_key(request)):
        raise NotFoundError(
            f"{token.partition_key} not found in the candle source between {request.start:%Y-%m-%d %H:%M} and "
            f"{request.end:%Y-%m-%d %H:%M} UTC in {request.resolution} candles or finer ones"
            f"{_known_coarser(runs.lab.candle_source, request)}; nothing was exported"
        )
    why = why_left(store, request, replace(answer.sourced, candles=answer.table))
    if why:
        raise NotFoundError(f"candles of {token.partition_key} not found: {why}; nothing was exported")
    rejected = Counter(rejection.rule_id for rejection in answer.sourced.rejections)
    code = runs.lab.code_provenance.code_version()
    draft = slice_draft(
        request,
        answer.sourced,
        answer.table,
        params={
            "made_of": answer.made_of,
            "conflicting_candles": answer.sourced.conflicting_candles,
            "rejected_by_rule": dict(sorted(rejected.items())),
            **({"pool": request.pool_address} if request.pool_address else {}),
        },
    )
    result = store.publish(
        PublishRequest(
            draft.spec.name,
            draft.spec.version,
            draft.logical_key,
            draft.table,
            Writer(WRITER_NAME, QUANTLAB_VERSION, code.git_commit, code.git_dirty),
            tags=draft.tags,
            input_artifact_ids=draft.inputs or (),
            params=draft.params,
            as_of_sequence=sequence,
        )
    )
    runs.counts.published += 1
    runs.counts.new += not result.deduped
    _show_in_dagster(runs, result.artifact)
    refresh_series(runs, {token.partition_key})
    return ExportedSlice(
        artifact=result.artifact,
        is_new=not result.deduped,
        superseded_artifact_id=result.superseded_artifact_id,
        table=answer.table,
        spans=decode_spans(attributes_of(answer.table)["source_spans"]),
        coverage=slice_coverage(answer.table, request.start, request.end),
        made_of=answer.made_of,
        rejected_by_rule=rejected,
        conflicting_candles=answer.sourced.conflicting_candles,
    )


def _normalised(request: CandleRequest) -> tuple[Token, CandleRequest]:
    """The token that is meant, and the request in the names under which sources and the lake know it."""
    token = normalise_token_address(request.chain, request.token_address)
    pool = request.pool_address and normalise_token_address(token.chain, request.pool_address).address
    return token, replace(request, token_address=token.address, chain=token.chain, pool_address=pool)


def _ask(source: CandleSource, request: CandleRequest) -> _Answer:
    """The answer in the resolution asked for, else in the coarsest finer one that has an answer, aggregated."""
    token = token_of(request)
    resolutions = (request.resolution, *reversed(finer_than(RESOLUTIONS, request.resolution)))
    for resolution in resolutions:
        (sourced,) = source.fetch_many([replace(request, resolution=resolution)], asked_by=ASKED_BY)
        if not sourced.is_unknown:
            table = slice_table(token, resolution, sourced)
            if resolution != request.resolution:
                table = aggregate_series(table, request.resolution)
            return _Answer(sourced, table, resolution)
    return _Answer(sourced, slice_table(token, request.resolution, sourced), request.resolution)


def _known_coarser(source: CandleSource, request: CandleRequest) -> str:
    """In which of the coarser resolutions, which nobody asked for, the source has the token; empty where in none."""
    step = RESOLUTIONS[request.resolution]
    coarser = [replace(request, resolution=name) for name, length in RESOLUTIONS.items() if length > step]
    answers = source.fetch_many(coarser, asked_by=ASKED_BY) if coarser else []
    known = [asked.resolution for asked, found in zip(coarser, answers, strict=True) if not found.is_unknown]
    return f"; it has candles of {' and '.join(known)}, see --resolution" if known else ""


def _show_in_dagster(runs: LakeRuns, artifact: Artifact) -> None:
    """A slice of a cohort day belongs to that day's partition; any other is noted as an observation of the asset."""
    if partition_of(OHLCV_SLICE, artifact.logical_key) is not None:
        sync_dagster(runs.lab, runs.instance, only={"ohlcv_slices"})
        return
    runs.instance.report_runless_asset_event(
        dg.AssetObservation(
            asset_key="ohlcv_slices",
            description="a slice of no day, exported by hand",
            metadata={
                **described([artifact], artifact_count=1, row_count=artifact.row_count, version=artifact.content_hash),
                "logical_key": dg.MetadataValue.text(artifact.logical_key),
            },
        )
    )
