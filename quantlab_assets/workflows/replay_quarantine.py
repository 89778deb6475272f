"""The quarantine is read again with today's rules; exports of which something is decided otherwise are read anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from quantlab_assets.alerts import READING_PARAM, last_params
from quantlab_assets.workflows.ingest_alerts import bring_days_up_to_date, read_exports
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.alerts.artifact_types import ALERTS_QUARANTINE, MESSAGE_DISPOSITIONS, TELEGRAM_MESSAGES
from quantlab_core.alerts.quarantine_replay import Redecision, decided_otherwise, redecisions
from quantlab_core.alerts.touched_days import touched_days
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_types import RAW_FILE
from quantlab_core.artifacts.timestamp_text import parse_timestamp
from quantlab_core.errors import NotFoundError
from quantlab_resources.alerts.read_options_config import options_from_config
from quantlab_resources.alerts.time_zones import time_zone
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.first_day import first_day


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """How many quarantined messages were read again, which exports were read anew, and what changed by that."""

    messages: int
    exports: tuple[str, ...]
    changes: tuple[Redecision, ...]
    days: tuple[date, ...]


def replay_quarantine(runs: LakeRuns, *, rule: str | None = None) -> ReplayReport:
    """Read quarantined messages (of one ``rule``, or all) again and publish what today's rules decide otherwise.

    Where a message of an export is decided otherwise, the archived export is read anew, as it was told to be read:
    its messages, dispositions and quarantine are superseded, then the alerts of the days that changed. Where nothing
    is, nothing is published. Raises IntegrityError when an archived export is damaged.
    """
    store = runs.lab.artifacts
    messages, exports = 0, []
    for export, head in quarantines(store):
        table = store.read(head.artifact_id)
        if rule is not None:
            table = table.filter(pc.equal(table["rule_id"], pa.scalar(rule)))
        messages += table.num_rows
        if table.num_rows and _is_decided_otherwise(store, export, table):
            exports.append(export)
    counts: Counter[tuple[str, str]] = Counter()
    days: set[date] = set()
    for export in exports:
        before = _dispositions(store, export)
        read_exports(runs, [export])
        changes, moved = redecisions(before, _dispositions(store, export))
        counts.update({(change.was, change.now): change.messages for change in changes})
        days |= touched_days(moved)
    if days:
        bring_days_up_to_date(runs, days)
    return ReplayReport(
        messages,
        tuple(exports),
        tuple(Redecision(was, now, number) for (was, now), number in sorted(counts.items())),
        tuple(sorted(days)),
    )


def quarantines(store: ParquetArtifactStore) -> Iterator[tuple[str, Artifact]]:
    """The current quarantine of each export, by the export's key; those of the earlier store hold no payloads."""
    for head in store.heads(ALERTS_QUARANTINE.name, "export="):
        if head.schema_version == ALERTS_QUARANTINE.version:
            yield head.logical_key.removeprefix("export="), head


def _is_decided_otherwise(store: ParquetArtifactStore, export: str, quarantine: pa.Table) -> bool:
    (messages,) = store.heads(TELEGRAM_MESSAGES.name, f"export={export}")
    options = options_from_config(last_params(store, messages).get(READING_PARAM, {}))
    raw = store.heads(RAW_FILE.name, f"kind=telegram_export/sha256={export}")
    if not raw:
        raise NotFoundError(f"the archived export {export} not found in the lake; ingest it again")
    return bool(
        decided_otherwise(
            quarantine,
            time_zone=time_zone(options.time_zone),
            first_day=first_day(),
            last_day=parse_timestamp(raw[0].created_at).date(),
        )
    )


def _dispositions(store: ParquetArtifactStore, export: str) -> pa.Table:
    (head,) = store.heads(MESSAGE_DISPOSITIONS.name, f"export={export}")
    return store.read(head.artifact_id)
