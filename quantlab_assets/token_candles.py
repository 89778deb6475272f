"""The asset that merges the slices of a token into one series, and what Dagster's UI shows of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg
import pyarrow as pa

from quantlab_assets.artifact_asset import Step, Upstream, artifact_asset
from quantlab_assets.partitions import TOKENS
from quantlab_assets.picture_preview import picture_preview
from quantlab_core.alerts.artifact_types import ALERTS
from quantlab_core.artifacts.any_version import key_parts_of, read_newest
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.candles.arrow_columns import compute
from quantlab_core.candles.artifact_types import TOKEN_CANDLES
from quantlab_core.candles.token_series import token_series
from quantlab_core.errors import InvalidInputError, QuantlabError
from quantlab_core.token import SOLANA, Token
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft
from quantlab_resources.dagster_io.upstream_artifacts import UpstreamArtifacts
from quantlab_resources.refusals import Refusal, report_refusal

GROUP = "ohlcv"
CHARTED_PARTITIONS = 1
"""A run over more tokens draws no charts: each takes 0.3 s of computing and 100 kB of Dagster's event log."""
MOST_CALL_DAYS = 120
"""On so many days, the latest of a series, calls are looked for: each is a file to read."""


@artifact_asset(
    name="token_candles",
    specs=[TOKEN_CANDLES],
    group=GROUP,
    code_version="2",
    inputs={"slices": Upstream("ohlcv_slices", dg.AllPartitionMapping())},
    partitions_def=TOKENS,
)
def token_candles(step: Step) -> Iterator[ArtifactDraft]:
    """Merges the slices of this token; where slices overlap and differ, the stated conflict rule decides.

    A resolution whose slices contradict each other in their units has no common series: it is left as it was, and told.
    """
    token = Token.from_partition_key(step.key)
    upstream = step["slices"]
    by_resolution: dict[str, dict[str, pa.Table]] = {}
    for artifact in _slices_of(upstream, token):
        parts = key_parts_of(artifact) or {}
        if Token.from_key_parts(parts) == token:
            by_resolution.setdefault(parts["res"], {})[artifact.artifact_id] = upstream.read(artifact)
    upstream.drop_cache()
    preview: dict[str, Any] = {}
    drafts = []
    for resolution, slices in sorted(by_resolution.items()):
        try:
            series = token_series(list(slices.values()))
        except InvalidInputError as error:
            _tell(step, f"{token.partition_key} {resolution}", error)
            continue
        drafts.append((resolution, series, list(slices)))
    charted = len(step.context.partition_keys) <= CHARTED_PARTITIONS
    calls = calls_of_token(step.lab.artifacts, token, drafts) if charted else []
    for resolution, series, ids in drafts:
        suffix = "" if len(drafts) == 1 else f"_{resolution}"
        preview = {f"{name}{suffix}": value for name, value in series_preview(series, len(ids), charted, calls).items()}
        yield ArtifactDraft(TOKEN_CANDLES, {**token.key_parts, "res": resolution}, series, inputs=ids, preview=preview)


def series_preview(series: pa.Table, slices: int, is_charted: bool, calls: Sequence[datetime] = ()) -> dict[str, Any]:
    """What the UI shows of a series: how it came about, what is missing in it, and its chart with the calls in it."""
    attributes = attributes_of(series)
    preview: dict[str, Any] = {
        "resolution": dg.MetadataValue.text(attributes["resolution"]),
        "slices_merged": dg.MetadataValue.int(slices),
        "conflicting_candles": dg.MetadataValue.int(_sum(series, "conflicts")),
        "traded_candles": dg.MetadataValue.int(_sum(series, "is_traded")),
        "silent_intervals": dg.MetadataValue.int(_sum(series, "silent_before")),
        "unasked_intervals": dg.MetadataValue.int(_sum(series, "unasked_before")),
        "units": dg.MetadataValue.text(
            f"price in {attributes['price_unit']}, volume in {attributes['volume_unit']}, from {attributes['source']}"
        ),
    }
    if is_charted:
        # Matplotlib takes a second to import, and definitions must load without it.
        from quantlab_resources.reports.token_chart import token_chart_png

        preview["calls_in_chart"] = dg.MetadataValue.int(len(calls))
        preview |= picture_preview("chart", "Price, volume and calls", token_chart_png(series, calls))
    return preview


def calls_of_token(
    store: ParquetArtifactStore, token: Token, series: Iterable[tuple[str, pa.Table, object]]
) -> list[datetime]:
    """When the token was called on the days that the series span, by the alerts as they are now.

    For the eye alone: the series are made from slices, so alerts are no input of theirs. A day that cannot be read is
    left out.
    """
    days = {
        day
        for _, table, _ in series
        if table.num_rows
        for day in _days_of(compute.min(table["ts"]).as_py(), compute.max(table["ts"]).as_py())
    }
    calls: set[datetime] = set()
    for day in sorted(days):
        for head in store.heads(ALERTS.name, f"day={day.isoformat()}/chain={token.chain}"):
            try:
                alerts = read_newest(store, head)
            except QuantlabError:
                continue
            is_called = compute.equal(alerts["mint"], token.address)
            calls |= set(alerts.filter(is_called)["alert_ts_utc"].to_pylist())
    return sorted(calls)


def _days_of(first: datetime, last: datetime) -> list[date]:
    """The UTC days from one time to the other, the latest `MOST_CALL_DAYS` of them."""
    number = (last.date() - first.date()).days + 1
    return [last.date() - timedelta(days=back) for back in range(min(number, MOST_CALL_DAYS))]


def _sum(series: pa.Table, name: str) -> int:
    return int(compute.sum(series[name]).as_py() or 0)


def _tell(step: Step, subject: str, error: InvalidInputError) -> None:
    step.context.log.warning(f"{subject}: no common series: {error}")
    report_refusal(Refusal("token_candles", step.key, subject, str(error)))


def _slices_of(upstream: UpstreamArtifacts, token: Token) -> list[Artifact]:
    """Slices whose key begins with the token; the earlier store's keys have EVM addresses with their capitals."""
    if token.chain == SOLANA:
        return upstream.with_key(token=token.address)
    beginning = f"token={token.address}/"
    return [head for head in upstream.beginning_with("token=0") if head.logical_key.lower().startswith(beginning)]
