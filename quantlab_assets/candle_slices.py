"""Assets that cut slices out of the candle source, keep rows that are no candles, and say what a re-fetch changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

import dagster as dg
import pyarrow as pa

from quantlab_assets.artifact_asset import Step, Upstream, artifact_asset
from quantlab_assets.partitions import DAYS, day_of
from quantlab_assets.slice_drafts import slice_draft, slice_key, token_of, why_left
from quantlab_core.artifacts.any_version import key_parts_of, read_newest
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.candles.artifact_types import OHLCV_SLICE, SLICE_QUARANTINE, SLICE_REVISIONS
from quantlab_core.candles.candle_source import ASKED_OF
from quantlab_core.candles.cohort_requests import cohort_requests
from quantlab_core.candles.finest_candles import AnsweredRequest, fetch_finest
from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.candles.slice_revision import RevisionCounts, revision_counts, slice_revision
from quantlab_core.candles.slices import quarantine_table, slice_table
from quantlab_core.errors import IntegrityError
from quantlab_core.token import Token
from quantlab_resources.candles.replaced_artifacts import replaced_artifacts
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft
from quantlab_resources.dagster_io.artifact_partition import partition_of
from quantlab_resources.dagster_io.upstream_artifacts import UpstreamArtifacts
from quantlab_resources.refusals import Refusal, report_refusal

GROUP = "ohlcv"
SOURCE_POOL = "clickhouse"
"""Runs that ask a candle source share a pool, so that a database is not asked by more of them than it bears."""


@dataclass(slots=True)
class _Day:
    """What one day's cutting gave, beside its slices."""

    asked: int
    answers: list[AnsweredRequest] = field(default_factory=list)
    left_because: list[str] = field(default_factory=list)
    """Of each answer why it gives no slice; empty for one that does."""

    def cut(self) -> list[AnsweredRequest]:
        """The answers that become slices."""
        return [answer for answer, why in zip(self.answers, self.left_because, strict=True) if not why]

    def preview(self) -> dict[str, Any]:
        """The counts that the UI shows beside the slices."""
        answered = {(a.request.token_address, a.request.chain) for a in self.answers if not a.sourced.is_unknown}
        counts = {
            "tokens_called": self.asked,
            "tokens_unknown_to_source": self.asked - len(answered),
            "tokens_refused": sum(a.sourced.is_refused for a in self.answers),
            "slices_kept": sum(bool(why) for why in self.left_because),
            "slices_without_candles": sum(not a.sourced.candles.num_rows for a in self.cut() if a.sourced.spans),
            "conflicting_candles": sum(a.sourced.conflicting_candles for a in self.answers),
            "rejected_rows": sum(len(a.sourced.rejections) for a in self.answers),
        }
        return {name: dg.MetadataValue.int(count) for name, count in counts.items()}


@artifact_asset(
    name="ohlcv_slices",
    specs=[OHLCV_SLICE, SLICE_QUARANTINE],
    group=GROUP,
    code_version="3",
    inputs={"alerts": Upstream("alerts")},
    deps=[dg.AssetDep("imported_candles", partition_mapping=dg.AllPartitionMapping())],
    partitions_def=DAYS,
    config_schema={
        "resolutions": dg.Field(
            [str],
            default_value=list(RESOLUTIONS),
            is_required=False,
            description="resolutions to ask for; of each token the finest is taken that the source has",
        )
    },
    pool=SOURCE_POOL,
)
def ohlcv_slices(step: Step) -> Iterator[ArtifactDraft]:
    """Asks the candle source for every token called on this day, in the finest resolution that it has of the token.

    A token unknown to the source gives no slice. Where imported files gave one and no longer do, it gets an empty
    successor: a file that was imported again with another token or zone must leave nothing behind. From any other
    source, candles stay where an answer has none, and are told of. Rows that are no candles, and tokens for which the
    source cannot answer, are quarantined with the reason; the other tokens go on.
    """
    alerts = {head.artifact_id: step["alerts"].read(head) for head in step["alerts"].with_key(day=step.key)}
    requests = cohort_requests(day_of(step.key), alerts.values())
    day, source = _Day(len(requests)), step.lab.candle_source.fingerprint()
    # The source is asked before anything is published: a failure leaves nothing of the day.
    day.answers += fetch_finest(
        step.lab.candle_source,
        list(requests.values()),
        step.config["resolutions"],
        is_published=lambda request: bool(step.lab.artifacts.heads(OHLCV_SLICE.name, slice_key(request))),
        asked_by=step.context.run.run_id,
    )
    called_in = {token: artifact_id for artifact_id, table in alerts.items() for token in _called(table)}
    day.left_because += [why_left(step.lab.artifacts, answer.request, answer.sourced) for answer in day.answers]
    preview = day.preview()
    for answer, why in zip(day.answers, day.left_because, strict=True):
        for artifact_id in answer.sourced.input_artifact_ids:
            step.note_read(artifact_id)
        if why:
            _tell(step, answer, why)
    for answer in day.cut():
        yield replace(_cut(answer, called_in[token_of(answer.request)]), preview=preview)
        preview = {}
    rejections = [(a.request.resolution, row) for a in day.answers for row in a.sourced.rejections]
    # Also when it is empty and no slice came of it: its publications are the record of when the day was asked for.
    if requests or step.lab.artifacts.heads(SLICE_QUARANTINE.name, f"day={step.key}"):
        read = {artifact_id for answer in day.answers for artifact_id in answer.sourced.input_artifact_ids}
        yield ArtifactDraft(
            SLICE_QUARANTINE,
            {"day": step.key},
            quarantine_table(rejections),
            inputs=[*alerts, *sorted(read)],
            params={ASKED_OF: source},
            preview=_by_rule(Counter(row.rule_id for _, row in rejections)),
        )


@artifact_asset(
    name="slice_revisions",
    specs=[SLICE_REVISIONS],
    group=GROUP,
    code_version="1",
    inputs={"slices": Upstream("ohlcv_slices")},
    partitions_def=DAYS,
)
def slice_revisions(step: Step) -> Iterator[ArtifactDraft]:
    """Compares each slice of the day with the one that it took the place of, if it did.

    The superseded slice is named in the attributes and is no input: a record of a change is not stale because of it.
    """
    heads = _slices_by_day(step["slices"]).get(step.key, [])
    replaced = replaced_artifacts(step.lab.artifacts, heads)
    drafts: list[ArtifactDraft] = []
    for head in heads:
        old = replaced.get(head.artifact_id)
        revision = None if old is None else _revision(step, head, old)
        if revision is not None:
            drafts.append(ArtifactDraft(SLICE_REVISIONS, key_parts_of(head) or {}, revision, inputs=[head.artifact_id]))
    counts = sum((revision_counts(draft.table) for draft in drafts), RevisionCounts())
    for number, draft in enumerate(drafts):
        yield replace(draft, preview={} if number else _revised(len(drafts), counts))


def _revision(step: Step, head: Artifact, old: Artifact) -> pa.Table | None:
    try:
        before = read_newest(step.lab.artifacts, old)
    except IntegrityError as error:
        # Garbage collection may have given the old slice up; what it was compared to is on record then.
        for known in step.lab.artifacts.heads(SLICE_REVISIONS.name, head.logical_key):
            table = step.lab.artifacts.read(known.artifact_id)
            stated = attributes_of(table)
            if (stated["slice_id"], stated["superseded_id"]) == (head.artifact_id, old.artifact_id):
                step["slices"].reference(head)
                return table
        step.context.log.warning(f"{head.logical_key}: cannot be compared with what it took the place of: {error}")
        return None
    since = step["slices"].read(head)
    return slice_revision(before, since, old_id=old.artifact_id, new_id=head.artifact_id)


_by_day_of: WeakKeyDictionary[UpstreamArtifacts, Mapping[str, list[Artifact]]] = WeakKeyDictionary()
"""Kept as long as the step's own handle: a process of Dagster outlives its runs."""


def _slices_by_day(upstream: UpstreamArtifacts) -> Mapping[str, list[Artifact]]:
    """Keys begin with the token, so the days of a run are told apart once and not for each of them."""
    known = _by_day_of.get(upstream)
    if known is not None:
        return known
    by_day: dict[str, list[Artifact]] = {}
    _by_day_of[upstream] = by_day
    for head in upstream.all():
        day = partition_of(OHLCV_SLICE, head.logical_key)
        if day is not None:
            by_day.setdefault(day, []).append(head)
    return by_day


def _cut(answer: AnsweredRequest, alerts: str) -> ArtifactDraft:
    request, sourced = answer.request, answer.sourced
    return slice_draft(
        request,
        sourced,
        slice_table(token_of(request), request.resolution, sourced),
        alerts=[alerts],
        params={"conflicting_candles": sourced.conflicting_candles} if sourced.conflicting_candles else {},
    )


def _tell(step: Step, answer: AnsweredRequest, why: str) -> None:
    token = token_of(answer.request).partition_key
    step.context.log.warning(f"{token} left as it was: {why}")
    report_refusal(Refusal("ohlcv_slices", step.key, token, why))


def _called(alerts: pa.Table) -> Iterator[Token]:
    for chain, mint in zip(alerts["chain"].to_pylist(), alerts["mint"].to_pylist(), strict=True):
        yield Token(chain, mint)


def _by_rule(rejected: Counter[str]) -> dict[str, Any]:
    if not rejected:
        return {}
    rows = [dg.TableRecord({"rule": rule, "rows": number}) for rule, number in rejected.most_common()]
    return {"rejected_by_rule": dg.MetadataValue.table(rows)}


def _revised(slices: int, counts: RevisionCounts) -> dict[str, Any]:
    return {
        "slices_revised": dg.MetadataValue.int(slices),
        "candles_added": dg.MetadataValue.int(counts.added),
        "candles_removed": dg.MetadataValue.int(counts.removed),
        "candles_changed": dg.MetadataValue.int(counts.changed),
    }
