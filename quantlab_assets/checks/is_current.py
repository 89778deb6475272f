"""The check `is_current` of every asset whose inputs fan in: is it made from everything that is current?

Dagster's badge cannot say it of these; the manifest can. A newer input is a warning: something may be made again. An
input that was withdrawn or damaged is an error: what stands there rests on what nobody should use.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from typing import Any

import dagster as dg

from quantlab_core.errors import LakeNotFoundError
from quantlab_resources.artifacts.upkeep.last_verification import verified_at
from quantlab_resources.dagster_io.lab_resource import LabResource
from quantlab_resources.freshness.changed_inputs import (
    NEWER,
    NOTE,
    REPLACED,
    WITHDRAWN,
    ChangedInput,
    changed_inputs,
)
from quantlab_resources.freshness.lake_freshness import (
    UPSTREAM,
    AssetFreshness,
    lake_freshness,
    not_current,
    with_upstream,
)
from quantlab_resources.lab import Lab

NAME = "is_current"
MOST_ROWS = 20
SECONDS_BETWEEN_LOOKS = 60


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the check says of one asset. ``digest`` changes when that changes, and not with the number of artifacts."""

    passed: bool
    is_error: bool
    description: str
    metadata: Mapping[str, Any]
    digest: str

    @property
    def severity(self) -> dg.AssetCheckSeverity:
        """Error where an input was withdrawn or damaged."""
        return dg.AssetCheckSeverity.ERROR if self.is_error else dg.AssetCheckSeverity.WARN


def verdict_of(found: Mapping[str, AssetFreshness], asset: str) -> Verdict:
    """The verdict on ``asset``, as `lake_freshness` found it, with at most `MOST_ROWS` changed inputs by id."""
    own, upstream = found[asset], not_current(found, asset)
    changes = list(changed_inputs(own.outdated))
    kinds = [change.change for change in changes]
    counts = {kind: kinds.count(kind) for kind in (NEWER, REPLACED, WITHDRAWN, NOTE) if kind in kinds}
    missing = sum(one.is_missing for one in own.outdated)
    parts = []
    if own.damaged:
        parts.append(
            f"{len(own.damaged):,} inputs damaged or gone, the first {own.damaged[0]}; see `quantlab lake verify`"
        )
    if own.outdated:
        of = f"{len(own.outdated):,} of {own.judged:,} are " if own.judged > 1 else ""
        why = ", ".join(own.outdated[0].note if kind == NOTE else f"{n:,} {kind}" for kind, n in counts.items())
        parts.append(f"{of}not current{f' ({missing:,} never made)' if missing else ''}: {why}")
    if upstream:
        parts.append(f"upstream not current: {', '.join(upstream)}")
    metadata: dict[str, Any] = {"judged": own.judged, "outdated": len(own.outdated), "damaged inputs": len(own.damaged)}
    metadata |= counts
    if changes:
        metadata["changed inputs"] = dg.MetadataValue.table([_row(change) for change in changes[:MOST_ROWS]])
        if len(changes) > MOST_ROWS:
            metadata["not shown"] = len(changes) - MOST_ROWS
    return Verdict(
        passed=not parts,
        is_error=bool(own.damaged) or WITHDRAWN in counts,
        description="; ".join(parts) or "made from everything that is current",
        metadata=metadata,
        digest=hashlib.sha256(json.dumps([[*map(astuple, changes)], own.damaged, upstream]).encode()).hexdigest()[:16],
    )


def _row(change: ChangedInput) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "partition": change.partition,
            "made": change.made or "never",
            "change": change.change,
            "input": change.input_id,
            "replaced by": change.replaced_by,
        }
    )


@dg.multi_asset_check(
    name="freshness_checks",
    specs=[
        dg.AssetCheckSpec(
            NAME,
            asset=asset,
            description="Whether it is made from everything that is current, by the manifest. Newer, replaced,"
            " withdrawn and damaged inputs are named, and assets upstream that are not current.",
        )
        for asset in UPSTREAM
    ],
    can_subset=True,
    required_resource_keys={"lab"},
)
def freshness_checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """All that are asked for, from one look at the manifest."""
    keys = sorted(context.selected_asset_check_keys)
    judged = with_upstream(key.asset_key.to_user_string() for key in keys)
    found = lake_freshness(context.resources.lab.get(), judged)
    for key in keys:
        verdict = verdict_of(found, key.asset_key.to_user_string())
        yield dg.AssetCheckResult(
            asset_key=key.asset_key,
            check_name=NAME,
            passed=verdict.passed,
            severity=verdict.severity,
            description=verdict.description,
            metadata=verdict.metadata,
        )


check_freshness = dg.define_asset_job(
    "check_freshness",
    selection=dg.AssetSelection.checks(freshness_checks),
    executor_def=dg.in_process_executor,
    description="Judges by the manifest which assets are made from everything that is current.",
)


@dg.sensor(
    name="freshness",
    job_name="check_freshness",
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Judges the checks is_current when the lake changed, without a run, and reports those that changed.",
)
def freshness(context: dg.SensorEvaluationContext, lab: LabResource) -> dg.SensorResult:
    """One look: nothing is judged while neither the manifest nor what is known of damage changed."""
    known = json.loads(context.cursor or "{}")
    try:
        events, cursor = judge(lab.get(), known)
    except LakeNotFoundError:
        return dg.SensorResult(skip_reason="there is no lake yet", cursor="{}")
    if cursor == known:
        return dg.SensorResult(skip_reason="nothing changed", cursor=context.cursor)
    return dg.SensorResult(
        skip_reason=f"{len(events)} checks changed: {', '.join(_named(event) for event in events)}"
        if events
        else "judged, no check changed",
        cursor=json.dumps(cursor, separators=(",", ":"), sort_keys=True),
        asset_events=events,
    )


def judge(lab: Lab, known: Mapping[str, Any]) -> tuple[list[dg.AssetCheckEvaluation], dict[str, Any]]:
    """The evaluations that differ from those last reported, and what to know next time. Raises LakeNotFoundError."""
    state = [lab.catalogue.last_sequence(), verified_at(lab.paths)]
    if known.get("state") == state:
        return [], dict(known)
    found = lake_freshness(lab)
    reported = dict(known.get("verdicts", {}))
    events = []
    for asset, one in found.items():
        verdict = verdict_of(found, asset)
        if reported.get(asset) != verdict.digest and (one.judged or asset in reported):
            reported[asset] = verdict.digest
            events.append(
                dg.AssetCheckEvaluation(
                    asset_key=dg.AssetKey(asset),
                    check_name=NAME,
                    passed=verdict.passed,
                    severity=verdict.severity,
                    description=verdict.description,
                    metadata=verdict.metadata,
                )
            )
    return events, {"state": state, "verdicts": reported}


def _named(event: dg.AssetCheckEvaluation) -> str:
    return f"{event.asset_key.to_user_string()} {'current' if event.passed else 'not current'}"
