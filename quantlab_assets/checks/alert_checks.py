"""Checks of the alert side that people read in Dagster: is every message accounted for, and does anything look odd?

Conservation holds before anything is published, or nothing is. The others warn: odd data is still data.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from quantlab_assets.artifact_asset import Step
from quantlab_assets.checks.blocking_checks import BlockingCheck, Finding
from quantlab_core.alerts.artifact_types import ALERTS_QUARANTINE, MESSAGE_DISPOSITIONS
from quantlab_core.alerts.message_kinds import DUPLICATE, EVENT, NON_ALERT, QUARANTINED
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.token import EVM_UNKNOWN
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft

MOST_QUARANTINED = 0.05
"""Share of an export's messages in quarantine above which something is wrong with the export or with the rules."""
MOST_UNKNOWN = 0.2
"""Share of a day's events on an unknown EVM chain above which a bot or a form of link is not understood any more."""


def _conserves_messages(_step: Step, drafts: Sequence[ArtifactDraft]) -> Finding:
    """Entries = events + non-alerts + quarantined + duplicates, and the quarantine holds exactly its own."""
    dispositions, quarantine = _table(drafts, MESSAGE_DISPOSITIONS), _table(drafts, ALERTS_QUARANTINE)
    counted = {row["values"]: row["counts"] for row in pc.value_counts(dispositions["disposition"]).to_pylist()}
    counts = {name: counted.get(name, 0) for name in (EVENT, NON_ALERT, DUPLICATE, QUARANTINED)}
    messages = dispositions.num_rows
    last = -1 if messages == 0 else pc.max(dispositions["ordinal"]).as_py()
    if sum(counts.values()) == messages == last + 1 and counts[QUARANTINED] == quarantine.num_rows:
        return Finding(True, f"all {messages:,} messages are accounted for", counts)
    return Finding(
        False,
        f"of {last + 1:,} messages {sum(counts.values()):,} are accounted for, {counts[QUARANTINED]:,} as quarantined"
        f" while {quarantine.num_rows:,} are in quarantine: a defect of quantlab, please report it",
        counts,
    )


def _quarantine_is_small(_step: Step, drafts: Sequence[ArtifactDraft]) -> Finding:
    messages, quarantined = _table(drafts, MESSAGE_DISPOSITIONS).num_rows, _table(drafts, ALERTS_QUARANTINE).num_rows
    share = quarantined / messages if messages else 0.0
    return Finding(
        True,
        f"{quarantined:,} of {messages:,} messages ({share:.1%}) are in quarantine",
        {"messages": messages, "quarantined": quarantined},
        is_warning=share > MOST_QUARANTINED,
    )


def _no_message_is_of_the_future(step: Step, drafts: Sequence[ArtifactDraft]) -> Finding:
    """Messages after the day on which the file came in are quarantined; how many are even later than today?"""
    tomorrow = datetime.combine(step.lab.clock.now().date() + timedelta(days=1), time(), UTC)
    sent = _table(drafts, MESSAGE_DISPOSITIONS)["sent_ts"]
    future = pc.sum(pc.greater_equal(sent, pa.scalar(tomorrow, sent.type))).as_py() or 0
    return Finding(
        True, f"{future:,} messages are later than today", {"future_messages": future}, is_warning=future > 0
    )


def _chains_are_known(_step: Step, drafts: Sequence[ArtifactDraft]) -> Finding:
    events = sum(draft.table.num_rows for draft in drafts)
    unknown = sum(draft.table.num_rows for draft in drafts if draft.key["chain"] == EVM_UNKNOWN)
    return Finding(
        True,
        f"{unknown:,} of {events:,} calls of the day are on an EVM chain that nobody named",
        {"events": events, "unknown_chain": unknown},
        is_warning=unknown > MOST_UNKNOWN * events,
    )


def _table(drafts: Sequence[ArtifactDraft], spec: ArtifactType) -> pa.Table:
    return next(draft.table for draft in drafts if draft.spec == spec)


EXPORT_CHECKS = (
    BlockingCheck(
        "every_message_is_accounted_for",
        "Entries of the export = events + non-alerts + quarantined + duplicates.",
        _conserves_messages,
    ),
    BlockingCheck(
        "few_are_quarantined",
        f"Warns when more than {MOST_QUARANTINED:.0%} of the export's messages are in quarantine.",
        _quarantine_is_small,
    ),
    BlockingCheck(
        "none_is_of_the_future", "Warns of messages that are later than today.", _no_message_is_of_the_future
    ),
)
DAY_CHECKS = (
    BlockingCheck(
        "chains_are_known",
        f"Warns when more than {MOST_UNKNOWN:.0%} of the day's calls are on an unknown EVM chain.",
        _chains_are_known,
    ),
)
