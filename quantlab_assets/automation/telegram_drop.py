"""The sensor of the drop folder, and the job that it asks for: put an export there, and it is ingested.

One look ("tick") asks for at most one run, with all exports that are whole. The cursor remembers how each export
looked and for which run it was asked, so that a restart changes nothing. What is refused is moved aside with its
reason, and both the tick and the run say so.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from quantlab_assets.alerts import READING_PARAM, last_params
from quantlab_assets.automation.requested_runs import ENDED_BADLY, status_of, unused_run_key
from quantlab_assets.metadata_table import table_of
from quantlab_assets.partitions import file_key
from quantlab_core.alerts.artifact_types import TELEGRAM_MESSAGES
from quantlab_core.alerts.drop_folder import DropFolder, DroppedExport
from quantlab_core.errors import LakeNotFoundError, NotFoundError, QuantlabError
from quantlab_resources.alerts.local_drop_folder import LocalDropFolder
from quantlab_resources.alerts.read_options_config import options_to_config
from quantlab_resources.dagster_io.lab_resource import LabResource
from quantlab_resources.lab import Lab

SECONDS_BETWEEN_LOOKS = 30
MOST_PER_RUN = 1_000
WHOLE_AFTER_S = 300
"""An export that nobody wrote to for so long is whole; a younger one when two looks find it equal."""
MOST_ATTEMPTS = 3
MOST_NAMED = 20


@dataclass(slots=True)
class Look:
    """What one look found: exports to ask a run for, with their bytes' SHA-256, and what happened to others."""

    asked_for: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    in_run: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    run_key: str | None = None

    def summary(self) -> str:
        """Every export accounted for, in one line."""
        counts = (
            (len(self.asked_for), "to be ingested"),
            (len(self.in_run), "in a run"),
            (len(self.waiting), "may still be written to"),
            (len(self.known), "known already, moved to _ingested"),
            (len(self.refused), "refused"),
        )
        line = ", ".join(f"{number} {what}" for number, what in counts if number) or "the drop folder is empty"
        reasons = [f"{name}: {reason}" for name, reason in list(self.refused.items())[:MOST_NAMED]]
        return "; ".join([line, *reasons])


@dg.op(
    config_schema={"exports": dg.Field([str], description="names in the drop folder")},
    required_resource_keys={"lab"},
    description="Ingests exports of the drop folder as `quantlab alerts ingest` does, and moves them out of it.",
)
def ingest_dropped_exports(context: dg.OpExecutionContext) -> None:
    """Runs the assets in this process, each under a run of its own, as the command line does."""
    from quantlab_assets.workflows.ingest_dropped import ingest_dropped
    from quantlab_assets.workflows.lake_runs import LakeRuns

    lab: Lab = context.resources.lab.get()
    report = ingest_dropped(LakeRuns(lab, context.instance), drop_folder(lab), context.op_config["exports"])
    for name, reason in report.refused.items():
        context.log.warning(f"refused {name}: {reason}")
        context.log_event(_refusal(name, reason))
    rows: list[dict[str, str | int]] = [
        {"export": name, "became": "ingested", "messages": found.messages, "reason": ""}
        for name, found in report.accepted.items()
    ]
    rows += [
        {"export": name, "became": "refused", "messages": 0, "reason": reason}
        for name, reason in report.refused.items()
    ]
    rows += [
        {"export": name, "became": "gone", "messages": 0, "reason": "it lay in the drop folder no more"}
        for name in report.gone
    ]
    context.add_output_metadata(
        {
            "ingested": len(report.accepted),
            "refused": len(report.refused),
            "gone": len(report.gone),
            "messages": sum(found.messages for found in report.accepted.values()),
            "days": len({day for found in report.accepted.values() for day in found.days}),
            **table_of("exports", rows),
        }
    )


@dg.job(
    executor_def=dg.in_process_executor,
    description="Ingests what lies in the drop folder: messages, alerts, and all that rests on them.",
)
def ingest() -> None:
    """What `telegram_drop_sensor` asks for."""
    ingest_dropped_exports()


@dg.sensor(
    job_name="ingest",
    name="telegram_drop_sensor",
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks into staging/telegram of the lake and asks for one run with all exports that are whole there.",
)
def telegram_drop_sensor(context: dg.SensorEvaluationContext, lab: LabResource) -> dg.SensorResult:
    """One look. Exports that are refused are named in the tick, with an observation of `telegram_exports` each."""
    folder = drop_folder(lab.get())
    if not folder.waiting():
        return dg.SensorResult(skip_reason=Look().summary(), cursor="{}")
    try:
        lab.get().make_lake()  # where there is none yet, as `quantlab alerts ingest` does
    except LakeNotFoundError as error:
        return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
    found, cursor = look(lab.get(), folder, context.instance, json.loads(context.cursor or "{}"))
    for name, reason in found.refused.items():
        context.log.warning(f"refused {name}: {reason}")
    requests = []
    if found.run_key is not None:
        config = {"ops": {"ingest_dropped_exports": {"config": {"exports": list(found.asked_for)}}}}
        tags = {"quantlab/exports": str(len(found.asked_for))}
        requests.append(dg.RunRequest(run_key=found.run_key, run_config=config, tags=tags))
        context.log.info(found.summary())
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else found.summary(),
        cursor=json.dumps(cursor, separators=(",", ":"), sort_keys=True),
        asset_events=[_refusal(name, reason) for name, reason in found.refused.items()],
    )


def drop_folder(lab: Lab) -> LocalDropFolder:
    """The drop folder of a lake."""
    return LocalDropFolder(lab.paths.home / "staging" / "telegram")


def look(
    lab: Lab, folder: DropFolder, instance: dg.DagsterInstance, cursor: Mapping[str, Any]
) -> tuple[Look, dict[str, Any]]:
    """One look at the folder: what is whole and new is asked for, what cannot be an export is set aside.

    ``cursor`` is what the last look returned: for each export that lay there its size and time of change and, once it
    was asked for, the run's key and the attempt. Only the first `MOST_PER_RUN` new ones are asked for.
    """
    found = Look()
    seen: dict[str, Any] = {}
    attempts: dict[str, int] = {}
    statuses: dict[str, dg.DagsterRunStatus | None] = {}
    for export in folder.waiting():
        before = cursor.get(export.name, {})
        now = {"state": list(export.state)}
        is_same = before.get("state") == now["state"]
        if is_same and "run" in before:
            key = before["run"]
            if key not in statuses:
                statuses[key] = status_of(instance, key)
            if statuses[key] in ENDED_BADLY:
                attempts[export.name] = before["attempt"]
            elif statuses[key] is not dg.DagsterRunStatus.SUCCESS:  # after a success it was put there once more
                found.in_run.append(export.name)
                seen[export.name] = before
                continue
            if attempts.get(export.name, 0) >= MOST_ATTEMPTS:
                _refuse(folder, export, f"{MOST_ATTEMPTS} runs with it failed, the last under the key {key}", found)
                continue
        elif not (is_same or export.age_s > WHOLE_AFTER_S) or len(found.asked_for) >= MOST_PER_RUN:
            found.waiting.append(export.name)
            seen[export.name] = now
            continue
        if _take(lab, folder, export, found):
            seen[export.name] = now
    if found.asked_for:
        found.run_key = unused_run_key(instance, _run_name(found.asked_for.values()))
        for name in found.asked_for:
            seen[name] |= {"run": found.run_key, "attempt": attempts.get(name, 0) + 1}
    return found, seen


def _take(lab: Lab, folder: DropFolder, export: DroppedExport, found: Look) -> bool:
    """Ask for it, unless it is no export or the lake has it as it would be read. Whether it is still in the folder."""
    # Readers are imported when there is something to read: definitions load without them.
    from quantlab_resources.alerts.alert_sources import is_any_export

    try:
        options = folder.options(export)
        is_any_export(export.path, options)
        sha256 = folder.sha256(export)
    except NotFoundError:
        return False
    except QuantlabError as error:
        _refuse(folder, export, export.reason(error), found)
        return False
    said = options_to_config(options)
    for head in lab.artifacts.heads(TELEGRAM_MESSAGES.name, f"export={file_key(sha256)}"):
        if said in ({}, last_params(lab.artifacts, head).get(READING_PARAM)):
            folder.keep(export)
            found.known.append(export.name)
            return False
    found.asked_for[export.name] = f"{sha256} {json.dumps(said, sort_keys=True)}"
    return True


def _refuse(folder: DropFolder, export: DroppedExport, reason: str, found: Look) -> None:
    folder.refuse(export, reason)
    found.refused[export.name] = reason


def _run_name(contents: Iterable[str]) -> str:
    """What the run is named by: the contents, whatever the files are called, so that two looks ask for one run."""
    digest = hashlib.sha256("\n".join(sorted(set(contents))).encode()).hexdigest()[:16]
    return f"telegram-drop-{digest}"


def _refusal(name: str, reason: str) -> dg.AssetObservation:
    return dg.AssetObservation(
        "telegram_exports", description=f"refused {name}: {reason}", metadata={"file_name": name, "refused": reason}
    )
