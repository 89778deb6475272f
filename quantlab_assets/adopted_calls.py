"""Adopted alerts in the graph: they are inputs of a day's events, and a check keeps any of them from being dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from quantlab_assets.artifact_asset import Step
from quantlab_assets.checks.blocking_checks import BlockingCheck, Finding
from quantlab_core.alerts.adopted_calls import CallKey, calls_of, covered_calls
from quantlab_core.alerts.artifact_types import ALERT_EVENTS, ALERTS
from quantlab_core.artifacts.any_version import key_parts_of, read_newest
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.errors import QuantlabError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft

DROP_ADOPTED = "drop_adopted"
"""Setting of `alert_events` and `alerts`: leave adopted calls out that no export tells of."""
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class AdoptedCalls:
    """The adopted records of one day, in the newest version, with the artifacts that hold them."""

    events: tuple[pa.Table, ...]
    alerts: tuple[pa.Table, ...]
    artifacts: tuple[Artifact, ...]
    unreadable: tuple[str, ...]
    """One line for each artifact that could not be read."""

    @property
    def tables(self) -> tuple[pa.Table, ...]:
        """All records."""
        return (*self.events, *self.alerts)


def adopted_calls(store: ParquetArtifactStore, day: str) -> AdoptedCalls:
    """What the earlier store held of the UTC day; what cannot be read is named, not raised."""
    tables: dict[str, list[pa.Table]] = {ALERT_EVENTS.name: [], ALERTS.name: []}
    artifacts: list[Artifact] = []
    unreadable: list[str] = []
    for artifact_type, found in tables.items():
        for artifact in store.adopted(artifact_type, f"day={day}/"):
            try:
                found.append(read_newest(store, artifact))
            except QuantlabError as error:
                unreadable.append(f"{artifact.artifact_id}: {error}")
            else:
                artifacts.append(artifact)
    return AdoptedCalls(
        tuple(tables[ALERT_EVENTS.name]), tuple(tables[ALERTS.name]), tuple(artifacts), tuple(unreadable)
    )


def adopted_days(store: ParquetArtifactStore) -> set[date]:
    """The days of which the earlier store held events or alerts."""
    keys = (key_parts_of(artifact) for spec in (ALERT_EVENTS, ALERTS) for artifact in store.adopted(spec.name, "day="))
    return {date.fromisoformat(parts["day"]) for parts in keys if parts is not None and _is_day(parts["day"])}


def adopted_chains(adopted: AdoptedCalls) -> set[str]:
    """Values of the key part ``chain`` of the day's adopted artifacts."""
    keys = (key_parts_of(artifact) for artifact in adopted.artifacts)
    return {parts["chain"] for parts in keys if parts is not None}


def _keeps_adopted(step: Step, drafts: Sequence[ArtifactDraft], spec: ArtifactType) -> Finding:
    """Whether the day would hold every adopted call after these drafts were published."""
    store = step.lab.artifacts
    adopted = adopted_calls(store, step.key)
    drafted = {draft.logical_key for draft in drafts}
    tables = [draft.table for draft in drafts]
    try:
        tables += [
            read_newest(store, head)
            for head in store.heads(spec.name, f"day={step.key}/")
            if head.logical_key not in drafted and adopted.artifacts
        ]
    except QuantlabError as error:
        return Finding(False, f"a current artifact of the day cannot be read: {error}")
    wanted = calls_of(adopted.tables)
    dropped = sorted(wanted - covered_calls(tables)) if drafts else []
    facts = {"adopted_calls": len(wanted), "dropped_calls": len(dropped), "unreadable": len(adopted.unreadable)}
    if not dropped and not (adopted.unreadable and drafts):
        return Finding(True, f"all {len(wanted)} adopted calls of the day are kept", facts)
    reason = "; ".join([*adopted.unreadable, *([_named(dropped, len(wanted))] if dropped else [])])
    if step.config[DROP_ADOPTED]:
        return Finding(True, f"as asked for: {reason}", facts, is_warning=True)
    return Finding(
        False,
        f"{reason}; put what is missing back (`quantlab lake verify`), materialize alert_events before alerts, "
        "or ask for the loss with `quantlab alerts ingest --drop-adopted`",
        facts,
    )


def _named(dropped: Sequence[CallKey], of: int) -> str:
    first = ", ".join(f"{mint} in message {message} of chat {chat}" for chat, message, mint in dropped[:MOST_NAMED])
    more = ", …" if len(dropped) > MOST_NAMED else ""
    return f"{len(dropped)} of {of} adopted calls would be dropped ({first}{more})"


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def keeps_adopted_calls(spec: ArtifactType) -> BlockingCheck:
    """The blocking check of the asset that owns ``spec``."""
    return BlockingCheck(
        "keeps_adopted_calls",
        "Every call that was adopted from the earlier store is still there; a run that would drop one publishes nothing"
        f" unless its setting {DROP_ADOPTED} asks for that.",
        lambda step, drafts: _keeps_adopted(step, drafts, spec),
    )
