"""The draft of a candle slice: of equal key, tags and inputs whether a day's run cuts it or somebody by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from quantlab_core.artifacts.any_version import read_newest
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.artifacts.logical_key import format_key
from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.candles.artifact_types import OHLCV_SLICE
from quantlab_core.candles.candle_source import CandleRequest, SourcedCandles
from quantlab_core.candles.kept_slices import may_stay, stays
from quantlab_core.candles.slices import slice_key_parts
from quantlab_core.errors import IntegrityError
from quantlab_core.token import Token
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft


def token_of(request: CandleRequest) -> Token:
    """The token that is asked for."""
    return Token(request.chain, request.token_address)


def slice_key(request: CandleRequest) -> str:
    """The logical key of the slice that answers ``request``."""
    return format_key(OHLCV_SLICE, _key_parts(request))


def slice_draft(
    request: CandleRequest,
    sourced: SourcedCandles,
    table: pa.Table,
    *,
    alerts: Sequence[str] = (),
    params: Mapping[str, Any],
) -> ArtifactDraft:
    """The ``table`` made of the source's answer, as the slice that was asked for.

    It is made from what the source read and from the ``alerts`` artifacts that call its token: none where nobody did.
    """
    token = token_of(request)
    return ArtifactDraft(
        OHLCV_SLICE,
        _key_parts(request),
        table,
        inputs=[*alerts, *sourced.input_artifact_ids],
        tags={"token": token.address, "resolution": request.resolution, "chain": token.chain},
        params=params,
    )


def why_left(store: ArtifactStore, request: CandleRequest, sourced: SourcedCandles) -> str:
    """Why the answer gives no slice, so that what is current of its key stays; empty when it gives one."""
    if sourced.is_refused:
        return "; ".join(dict.fromkeys(row.reason for row in sourced.rejections))
    if may_stay(sourced):
        for head in store.heads(OHLCV_SLICE.name, slice_key(request)):
            try:
                current = read_newest(store, head)
            except IntegrityError as error:
                return f"{sourced.source} has no candles of it, and its current slice cannot be read: {error}"
            if stays(current, sourced):
                return (
                    f"{sourced.source} has no {request.resolution} candles of it; "
                    f"what {attributes_of(current)['source']} gave stays"
                )
    return ""


def _key_parts(request: CandleRequest) -> dict[str, str]:
    return slice_key_parts(token_of(request), request.resolution, request.start, request.end)
