"""An experiment is created: choose its inputs, freeze them, name it, and put its definition on record."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from quantlab_assets.partitions import EXPERIMENTS, add_partitions, checked_key
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.alerts.artifact_types import ALERTS
from quantlab_core.artifacts.any_version import key_parts_of
from quantlab_core.artifacts.artifact import Artifact, ArtifactStatus, PublishRequest, Writer
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.artifacts.frozen_set import CURRENT, frozen_set_table, set_members
from quantlab_core.artifacts.timestamp_text import format_timestamp
from quantlab_core.candles.artifact_types import OHLCV_SLICE, TOKEN_CANDLES
from quantlab_core.candles.slices import HOURS_AFTER
from quantlab_core.errors import InvalidInputError, StrategyError
from quantlab_core.experiments.checked_config import check_config
from quantlab_core.experiments.experiment import (
    DateRange,
    Experiment,
    ExperimentConfig,
    ExperimentDefinition,
    ExperimentInputs,
    ExperimentProvenance,
)
from quantlab_core.experiments.experiment_identity import definition_hash, encode_definition, experiment_id_for
from quantlab_core.experiments.experiment_inputs import ALERT_MEMBERS, CANDLE_MEMBERS, require_members
from quantlab_core.simulation.engine_version import ENGINE_VERSION
from quantlab_core.simulation.strategy import Strategy, parse_strategy, strategy_mapping
from quantlab_resources.lab import Lab
from quantlab_resources.version import QUANTLAB_VERSION


@dataclass(frozen=True, slots=True)
class DaySelection:
    """Alerts by day instead of by id: every current alerts artifact from ``first`` to ``last``, both inclusive."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class ExperimentRequest:
    """What a user asks for. Without ids or a selection, the current alert set and candle set are frozen.

    ``alerts`` and ``ohlcv`` are ids of artifacts or of artifact sets.
    """

    name: str
    strategy: Mapping[str, Any]
    alerts: Sequence[str] = ()
    ohlcv: Sequence[str] = ()
    selection: DaySelection | None = None
    date_range: DateRange = field(default_factory=lambda: DateRange(None, None))
    params: Mapping[str, Any] = field(default_factory=dict)
    description: str | None = None
    experiment_id: str | None = None


def create_experiment(runs: LakeRuns, request: ExperimentRequest) -> Experiment:
    """Freeze the inputs and record the definition as pending; an equal experiment that exists is returned as it is.

    Raises StrategyError, InvalidInputError, ArtifactNotFoundError, ConflictError (another definition under this id).
    """
    strategy = parse_strategy(request.strategy)
    config = ExperimentConfig(strategy_mapping(strategy), request.date_range, request.params)
    for one in check_config(config).strategies():
        _require_hold_within_slices(one)
    if request.experiment_id is not None:
        checked_key(request.experiment_id)
    lab = runs.lab
    # Both are checked before either is frozen: what is refused leaves nothing behind.
    alerts = _chosen(lab, "alerts", _alert_members(lab, request), ALERT_MEMBERS)
    candles = _chosen(lab, "candles", [_artifact(lab, artifact_id) for artifact_id in request.ohlcv], CANDLE_MEMBERS)
    alert_set, candle_set = _frozen(lab, "alerts", alerts), _frozen(lab, "candles", candles)
    identity = definition_hash(
        alert_set_content_hash=alert_set.content_hash,
        candle_set_content_hash=candle_set.content_hash,
        config=config,
        engine_version=ENGINE_VERSION,
    )
    code = lab.code_provenance.code_version()
    definition = ExperimentDefinition(
        experiment_id=checked_key(request.experiment_id or experiment_id_for(request.name, identity)),
        name=request.name,
        description=request.description,
        inputs=ExperimentInputs(
            alerts=tuple(request.alerts) or (alert_set.artifact_id,),
            ohlcv=tuple(request.ohlcv) or (candle_set.artifact_id,),
        ),
        config=config,
        provenance=ExperimentProvenance(
            code.git_commit, code.git_dirty, ENGINE_VERSION, created_at=format_timestamp(lab.clock.now())
        ),
        alert_set_id=alert_set.artifact_id,
        candle_set_id=candle_set.artifact_id,
    )
    existing = lab.experiments.find_equal(definition)
    if existing is not None:
        return existing
    add_partitions(runs.instance, EXPERIMENTS, [definition.experiment_id])
    runs.materialize_partition(
        f"Freezing {definition.experiment_id}",
        ["experiment_definitions"],
        definition.experiment_id,
        config={"ops": {"experiment_definitions": {"config": {"definition": encode_definition(definition)}}}},
    )
    return lab.experiments.get(definition.experiment_id)


def _require_hold_within_slices(strategy: Strategy) -> None:
    """An entry comes as late as delay and limit order allow; what is held longer than the slices reach is censored."""
    latest_s = strategy.entry_delay_s + 60 * ((strategy.limit_ttl_min or 0) + strategy.max_hold_min)
    if latest_s > HOURS_AFTER.total_seconds():
        raise StrategyError(
            f"max_hold_min {strategy.max_hold_min} reaches beyond the candles: with entry_delay_s and limit_ttl_min a "
            f"trade may end {latest_s / 3600:g} h after its call, slices end "
            f"{HOURS_AFTER.total_seconds() / 3600:g} h after the day of the call"
        )


def _alert_members(lab: Lab, request: ExperimentRequest) -> list[Artifact]:
    if request.selection is None:
        return [_artifact(lab, artifact_id) for artifact_id in request.alerts]
    first, last = request.selection.first, request.selection.last
    chosen = [
        head
        for head in lab.artifacts.heads(ALERTS.name)
        if head.row_count and first.isoformat() <= (key_parts_of(head) or {}).get("day", "") <= last.isoformat()
    ]
    if not chosen:
        raise InvalidInputError(
            f"there are no alerts from {first} to {last}; "
            "`quantlab artifacts list --type alerts_v1` shows what there is"
        )
    return chosen


def _chosen(lab: Lab, of: str, given: Sequence[Artifact], member_types: frozenset[str]) -> Artifact | list[Artifact]:
    """The set that stands for what was given, or the members of one to be frozen; nothing given is what is current."""
    given = given or _current(lab, of)
    members = []
    for artifact in given:
        is_set = artifact.artifact_type == ARTIFACT_SET.name
        members.extend(set_members(lab.artifacts, artifact) if is_set else [artifact])
    unique = list({member.artifact_id: member for member in members}.values())
    require_members(unique, member_types)
    for member in unique:
        if member.status is ArtifactStatus.TOMBSTONED:
            raise InvalidInputError(
                f"{member.artifact_id} ({member.logical_key}) was withdrawn; choose others, "
                f"or freeze the set of {of} anew by materializing {ARTIFACT_SET.asset[of]}"
            )
    return given[0] if len(given) == 1 and given[0].artifact_type == ARTIFACT_SET.name else unique


def _frozen(lab: Lab, of: str, chosen: Artifact | list[Artifact]) -> Artifact:
    if isinstance(chosen, Artifact):
        return chosen
    code = lab.code_provenance.code_version()
    return lab.artifacts.publish(
        PublishRequest(
            artifact_type=ARTIFACT_SET.name,
            schema_version=ARTIFACT_SET.version,
            logical_key=f"of={of}/selection={_selection_name(chosen)}",
            data=frozen_set_table(chosen),
            writer=Writer("quantlab.create_experiment", QUANTLAB_VERSION, code.git_commit, code.git_dirty),
            input_artifact_ids=[member.artifact_id for member in chosen],
        )
    ).artifact


def _current(lab: Lab, of: str) -> list[Artifact]:
    """The current set; in a lake whose sets were never frozen, as one that was adopted, the current artifacts."""
    store = lab.artifacts
    found = store.heads(ARTIFACT_SET.name, f"of={of}/selection={CURRENT}")
    for artifact_type in (ALERTS.name,) if of == "alerts" else (TOKEN_CANDLES.name, OHLCV_SLICE.name):
        found = found or [head for head in store.heads(artifact_type) if head.row_count and key_parts_of(head)]
    if not found:
        command = "alerts ingest" if of == "alerts" else "ohlcv import"
        raise InvalidInputError(f"the lake has no {of} yet; `quantlab {command} FILE` brings some")
    return found


def _selection_name(members: Sequence[Artifact]) -> str:
    return hashlib.sha256("\n".join(sorted(member.artifact_id for member in members)).encode()).hexdigest()[:16]


def _artifact(lab: Lab, artifact_id: str) -> Artifact:
    return lab.artifacts.get_artifact(artifact_id)
