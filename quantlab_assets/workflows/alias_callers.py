"""A list of caller aliases comes in: publish it, and count the calls of persons anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.tell_dagster import tell_dagster
from quantlab_core.alerts.artifact_types import ALERTS, CALLER_ALIASES
from quantlab_core.alerts.caller_aliases import CallerAliases, aliases_table
from quantlab_core.alerts.callers import alias_calls
from quantlab_core.alerts.stored_aliases import CURRENT_KEY
from quantlab_core.artifacts.any_version import key_parts_of, read_newest
from quantlab_core.artifacts.artifact import PublishRequest, Writer
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.artifacts.frozen_set import CURRENT
from quantlab_core.artifacts.frozen_set_members import alerts_of
from quantlab_resources.alerts.caller_alias_file import read_caller_aliases
from quantlab_resources.progress import PublishedUnit, report_progress
from quantlab_resources.version import QUANTLAB_VERSION


@dataclass(frozen=True, slots=True)
class AliasReport:
    """The list that is current now, and how many of the lake's calls each alias (kind, alias) decides."""

    artifact_id: str
    is_new: bool
    aliases: CallerAliases
    calls_by_alias: dict[tuple[str, str], int]
    calls: int


def alias_callers(runs: LakeRuns, file: Path) -> AliasReport:
    """Publish the list in ``file`` in place of the last one, and bring ``token_calls`` up to date.

    Alerts and experiments stay as they are. Raises CallerAliasesError, NotFoundError, StorageError.
    """
    aliases = read_caller_aliases(file)
    store, code = runs.lab.artifacts, runs.lab.code_provenance.code_version()
    with runs.watched(f"Publishing {file.name}", 1):
        result = store.publish(
            PublishRequest(
                artifact_type=CALLER_ALIASES.name,
                schema_version=CALLER_ALIASES.version,
                logical_key=CURRENT_KEY,
                data=aliases_table(aliases),
                writer=Writer("quantlab.caller_aliases", QUANTLAB_VERSION, code.git_commit, code.git_dirty),
                params={"file_name": file.name},
            )
        )
        tell_dagster(runs, CALLER_ALIASES)
        report_progress(PublishedUnit(str(CALLER_ALIASES.asset), None, 1, int(not result.deduped)))
    if store.heads(ARTIFACT_SET.name, f"of=alerts/selection={CURRENT}"):
        runs.materialize("Counting calls", ["token_calls"])
    alerts = current_alerts(store)
    return AliasReport(
        result.artifact_id, not result.deduped, aliases, alias_calls(alerts, aliases), calls=alerts.num_rows
    )


def current_alerts(store: ArtifactStore) -> pa.Table:
    """The rows of all current alerts of the lake."""
    heads = [head for head in store.heads(ALERTS.name) if key_parts_of(head) is not None]
    return alerts_of(lambda head: read_newest(store, head), heads)
