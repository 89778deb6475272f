"""Assets of the group ``alerts``: from a raw Telegram export to the frozen set of alerts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from quantlab_assets.adopted_calls import DROP_ADOPTED, adopted_calls, adopted_chains, keeps_adopted_calls
from quantlab_assets.artifact_asset import OWNER, Step, Upstream, artifact_asset, type_tags
from quantlab_assets.callers import caller_aliases
from quantlab_assets.checks.alert_checks import DAY_CHECKS, EXPORT_CHECKS
from quantlab_assets.frozen_sets import current_set, current_set_draft
from quantlab_assets.group_guides import guided
from quantlab_assets.partitions import DAYS, EXPORTS, day_of
from quantlab_core.alerts.adopted_calls import with_adopted
from quantlab_core.alerts.alert_source import ReadOptions
from quantlab_core.alerts.artifact_types import (
    ALERT_EVENTS,
    ALERTS,
    ALERTS_QUARANTINE,
    MESSAGE_DISPOSITIONS,
    TELEGRAM_MESSAGES,
    TOKEN_CALLS,
)
from quantlab_core.alerts.caller_aliases import NO_ALIASES, aliases_of
from quantlab_core.alerts.daily_alerts import alerts_of_day
from quantlab_core.alerts.reply_windows import REPLY_WINDOW
from quantlab_core.alerts.token_calls import token_calls as count_token_calls
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_type import UTC_TIMESTAMP
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET, RAW_FILE
from quantlab_core.artifacts.frozen_set import CURRENT
from quantlab_core.artifacts.frozen_set_members import alerts_of
from quantlab_core.artifacts.logical_key import parse_key
from quantlab_core.artifacts.timestamp_text import parse_timestamp
from quantlab_resources.alerts.read_options_config import options_from_config, options_to_config
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft

GROUP = "alerts"
DROPPING = {
    DROP_ADOPTED: dg.Field(
        bool, default_value=False, description="leave out calls of the earlier store that no export tells of"
    )
}


READING = {
    "time_zone": dg.Field(dg.Noneable(str), default_value=None, description="IANA zone in which local times are"),
    "salvage": dg.Field(bool, default_value=False, description="keep the whole messages of a damaged export"),
    "chat_id": dg.Field(dg.Noneable(int), default_value=None, description="bare chat id, for exports without one"),
}
READING_PARAM = "reading"

telegram_exports = dg.AssetSpec(
    "telegram_exports",
    description=guided(
        GROUP,
        "telegram_exports",
        f"{RAW_FILE.doc} A drop is known by its SHA-256; `quantlab alerts ingest FILE` archives one.",
    ),
    group_name=GROUP,
    owners=[OWNER],
    tags=type_tags(RAW_FILE),
    kinds={"telegram", "json"},
    partitions_def=EXPORTS,
)


@artifact_asset(
    name="telegram_messages",
    specs=[TELEGRAM_MESSAGES, MESSAGE_DISPOSITIONS, ALERTS_QUARANTINE],
    group=GROUP,
    code_version="3",
    deps=["telegram_exports"],
    partitions_def=EXPORTS,
    kinds=["telegram"],
    config_schema=READING,
    checks=EXPORT_CHECKS,
)
def telegram_messages(step: Step) -> Iterator[ArtifactDraft]:
    """Read from the archived export of this partition; messages, dispositions and quarantine are published together."""
    # Readers and rules are imported by the steps that use them: definitions load without them.
    from quantlab_resources.alerts.read_ahead import archived_export

    raw = step.raw_file("telegram_export")
    # A message later than the file itself has a wrong date: "today" is the day on which the file came in.
    last_day = parse_timestamp(raw.artifact.created_at).date()
    options = _said_of(step)
    reading = archived_export(raw.path, parse_key(RAW_FILE, raw.artifact.logical_key)["sha256"], options, last_day)
    tables = reading.tables
    params = {READING_PARAM: options_to_config(options), **reading.report.params()}
    for spec, table in (
        (TELEGRAM_MESSAGES, tables.messages),
        (MESSAGE_DISPOSITIONS, tables.dispositions),
        (ALERTS_QUARANTINE, tables.quarantine),
    ):
        yield ArtifactDraft(spec, {"export": step.key}, table, inputs=[raw.artifact.artifact_id], params=params)


def _said_of(step: Step) -> ReadOptions:
    """What the run says about the export; where it says nothing, what the last reading of this export was told."""
    options = options_from_config(step.config)
    if options == ReadOptions():
        for head in step.lab.artifacts.heads(TELEGRAM_MESSAGES.name, f"export={step.key}"):
            options = options_from_config(last_params(step.lab.artifacts, head).get(READING_PARAM, {}))
    return options


@artifact_asset(
    name="alert_events",
    specs=[ALERT_EVENTS],
    group=GROUP,
    code_version="2",
    inputs={"messages": Upstream("telegram_messages", dg.AllPartitionMapping())},
    partitions_def=DAYS,
    config_schema=DROPPING,
    checks=[keeps_adopted_calls(ALERT_EVENTS), *DAY_CHECKS],
)
def alert_events(step: Step) -> Iterator[ArtifactDraft]:
    """Read from all exports: the messages of this UTC day, and bot replies up to one reply window past its end.

    Calls adopted from the earlier store that no export tells of are kept beside them.
    """
    from quantlab_core.alerts.alert_events import events_of_day

    day = day_of(step.key)
    start = datetime.combine(day, time.min, UTC)
    end = start + timedelta(days=1) + REPLY_WINDOW
    upstream = step["messages"]
    rows: list[pa.Table] = []
    inputs: list[str] = []
    for artifact in upstream.overlapping(start, end):
        messages = upstream.made_of_parts(artifact, _told_and_sent)
        if messages.has_any_between(start, end):
            rows.append(_between(messages.telling, "sent_ts", start, end))
            inputs.append(artifact.artifact_id)
    events = events_of_day(_concat(TELEGRAM_MESSAGES.schema, rows), day)
    adopted = adopted_calls(step.lab.artifacts, step.key)
    if not step.config[DROP_ADOPTED]:
        events = with_adopted(events, adopted.events, adopted.alerts)
        for artifact in adopted.artifacts:
            step.note_read(artifact.artifact_id)
            inputs.append(artifact.artifact_id)
    # Keys of the earlier store that its rows left (an unknown chain, say) get an empty successor, here and in alerts.
    earlier = step.published_parts(ALERT_EVENTS, "chain", day=step.key) | adopted_chains(adopted)
    for chain in sorted(_chains(events) | earlier):
        of_chain = events.filter(pc.equal(events["chain"], chain))
        yield ArtifactDraft(ALERT_EVENTS, {"day": step.key, "chain": chain}, of_chain, inputs=inputs)


@artifact_asset(
    name="alerts",
    specs=[ALERTS],
    group=GROUP,
    code_version="1",
    inputs={"events": Upstream("alert_events")},
    partitions_def=DAYS,
    config_schema=DROPPING,
    checks=[keeps_adopted_calls(ALERTS)],
)
def alerts(step: Step) -> Iterator[ArtifactDraft]:
    """Derived from the alert events of the same day, one artifact per chain."""
    for artifact in step["events"].with_key(day=step.key):
        table = alerts_of_day(step["events"].read(artifact))
        key = parse_key(ALERT_EVENTS, artifact.logical_key)
        yield ArtifactDraft(ALERTS, key, table, inputs=[artifact.artifact_id])


@artifact_asset(
    name="alert_set",
    specs=[ARTIFACT_SET],
    group=GROUP,
    code_version="1",
    inputs={"alerts": Upstream("alerts", dg.AllPartitionMapping())},
)
def alert_set(step: Step) -> Iterator[ArtifactDraft]:
    """Freezes the current alerts artifacts of all days and chains."""
    upstream = step["alerts"]
    yield current_set_draft("alerts", upstream, [artifact for artifact in upstream.all() if artifact.row_count])


@artifact_asset(
    name="token_calls",
    specs=[TOKEN_CALLS],
    group=GROUP,
    code_version="2",
    inputs={"alert_set": Upstream("alert_set"), "aliases": Upstream("caller_aliases")},
)
def token_calls(step: Step) -> Iterator[ArtifactDraft]:
    """Counted over the whole alert set, because a first call depends on all earlier days; by person, where there are
    caller aliases."""
    upstream = step["alert_set"]
    alert_set = current_set(upstream)
    listed = step["aliases"].with_key(selection=CURRENT)
    aliases = aliases_of(step["aliases"].read(listed[0])) if listed else NO_ALIASES
    table = count_token_calls(alerts_of(upstream.read_member, upstream.members(alert_set)), aliases)
    inputs = [alert_set, *listed]
    yield ArtifactDraft(
        TOKEN_CALLS, {"selection": CURRENT}, table, inputs=[made_from.artifact_id for made_from in inputs]
    )


ALERT_ASSETS = (telegram_exports, telegram_messages, alert_events, alerts, alert_set, caller_aliases, token_calls)


def last_params(store: ParquetArtifactStore, artifact: Artifact) -> Mapping[str, Any]:
    """The parameters with which this artifact was published last."""
    published = store.publications(artifact.artifact_id)
    return published[-1].params if published else {}


@dataclass(frozen=True, slots=True)
class _Messages:
    """The messages of an export that tell something, and when any of its messages were sent."""

    telling: pa.Table
    sent: pa.ChunkedArray[pa.TimestampScalar[Any, Any]]

    @property
    def nbytes(self) -> int:
        return self.telling.nbytes + self.sent.nbytes

    def has_any_between(self, start: datetime, end: datetime) -> bool:
        """Whether a message was sent at ``start`` or later, and before ``end``."""
        return bool(pc.any(_is_between(self.sent, start, end)).as_py())


def _told_and_sent(parts: Iterator[pa.Table]) -> _Messages:
    from quantlab_core.alerts.alert_events import telling_messages

    telling: list[pa.Table] = []
    sent: list[pa.Array[Any]] = []
    for part in parts:
        telling.append(telling_messages(part))
        sent += part["sent_ts"].chunks
    return _Messages(_concat(TELEGRAM_MESSAGES.schema, telling), pa.chunked_array(sent, UTC_TIMESTAMP))


def _between(table: pa.Table, column: str, start: datetime, end: datetime) -> pa.Table:
    return table.filter(_is_between(table[column], start, end))


def _is_between(values: pa.ChunkedArray[Any], start: datetime, end: datetime) -> pa.ChunkedArray[Any]:
    return pc.and_(
        pc.greater_equal(values, pa.scalar(start, values.type)), pc.less(values, pa.scalar(end, values.type))
    )


def _concat(schema: pa.Schema, tables: list[pa.Table]) -> pa.Table:
    bare = schema.remove_metadata()
    return pa.concat_tables([bare.empty_table(), *(table.cast(bare) for table in tables)])


def _chains(events: pa.Table) -> set[str]:
    return set(events["chain"].to_pylist())
