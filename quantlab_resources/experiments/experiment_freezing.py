"""An experiment is frozen: its inputs are chosen, put into sets, and named together with strategy and surroundings.

The definition is recorded by whoever asks: the asset graph in a run, a program without Dagster through the tracker.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from quantlab_core.alerts.artifact_types import ALERTS, CALLER_ALIASES
from quantlab_core.alerts.stored_aliases import current_aliases
from quantlab_core.artifacts.any_version import key_parts_of
from quantlab_core.artifacts.artifact import Artifact, ArtifactStatus, PublishRequest, Writer
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.artifacts.frozen_set import CURRENT, frozen_set_table, set_members
from quantlab_core.artifacts.frozen_set_members import ALERT_MEMBERS, CANDLE_MEMBERS, require_members
from quantlab_core.artifacts.logical_key import format_key, is_key_value
from quantlab_core.artifacts.registry import owning_asset
from quantlab_core.candles.artifact_types import OHLCV_SLICE, TOKEN_CANDLES
from quantlab_core.candles.slices import HOURS_AFTER
from quantlab_core.errors import InvalidInputError, StrategyError
from quantlab_core.experiments.checked_config import CheckedConfig, check_config
from quantlab_core.experiments.experiment import (
    DateRange,
    Experiment,
    ExperimentConfig,
    ExperimentDefinition,
    ExperimentInputs,
    ExperimentProvenance,
)
from quantlab_core.experiments.experiment_identity import definition_hash, experiment_id_for
from quantlab_core.simulation.portfolio import initial_purse
from quantlab_core.simulation.strategy import Strategy, parse_strategy, strategy_mapping
from quantlab_core.strategies.strategy_table import strategy_hash
from quantlab_resources.experiments.alerts_in_range import require_alerts_in_range
from quantlab_resources.experiments.code_patches import keep_patch
from quantlab_resources.experiments.running_provenance import running_provenance
from quantlab_resources.lab import Lab
from quantlab_resources.strategies.known_strategies import (
    publish_strategy,
    published_strategy,
    require_publishable,
)
from quantlab_resources.version import QUANTLAB_VERSION

WITHOUT_ALIASES = "none"


@dataclass(frozen=True, slots=True)
class DaySelection:
    """Alerts by day instead of by id: every current alerts artifact from ``first`` to ``last``, both inclusive."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class ExperimentRequest:
    """What a user asks for. Without ids or a selection, the current alert set and candle set are frozen.

    ``alerts`` and ``ohlcv`` are ids of artifacts or of artifact sets. ``strategies`` is the id of one published
    strategy; without it, the mapping ``strategy`` is published, or found. With both they must do the same.
    ``caller_aliases`` is the id of a list of them, `WITHOUT_ALIASES`, or None: the current list, if there is one.
    ``provenance`` is that of another program that asks; None: this code, its patch (kept if ``keeps_patch``) and its
    environment.
    """

    name: str
    strategy: Mapping[str, Any] | None = None
    alerts: Sequence[str] = ()
    ohlcv: Sequence[str] = ()
    strategies: Sequence[str] = ()
    selection: DaySelection | None = None
    date_range: DateRange = field(default_factory=lambda: DateRange(None, None))
    params: Mapping[str, Any] = field(default_factory=dict)
    description: str | None = None
    experiment_id: str | None = None
    caller_aliases: str | None = None
    provenance: ExperimentProvenance | None = None
    keeps_patch: bool = False


@dataclass(frozen=True, slots=True)
class FrozenExperiment:
    """A definition whose inputs are frozen; ``existing`` is the experiment that has an equal one already."""

    definition: ExperimentDefinition
    existing: Experiment | None


def freeze_experiment(lab: Lab, request: ExperimentRequest) -> FrozenExperiment:
    """Freeze the inputs of a new experiment and publish its strategy; nothing is recorded of the experiment yet.

    Where an equal experiment exists it is returned, and only sets that were not frozen before are published. Raises
    StrategyError, InvalidInputError, ArtifactNotFoundError, ConflictError (another definition under this id), and
    IntegrityError where alerts that are looked at are damaged.
    """
    strategy, strategy_id = _strategy(lab, request)
    config = ExperimentConfig(strategy_mapping(strategy), request.date_range, request.params)
    checked = check_config(config)
    for one in checked.strategies():
        _require_hold_within_slices(one)
    _require_affordable_stake(checked)
    if request.experiment_id is not None:
        _checked_id(request.experiment_id)
    aliases = _aliases(lab, request.caller_aliases)
    # Both are checked before either is frozen: what is refused leaves nothing behind.
    alerts = _chosen(lab, "alerts", _alert_members(lab, request), ALERT_MEMBERS)
    candles = _chosen(lab, "candles", [_artifact(lab, artifact_id) for artifact_id in request.ohlcv], CANDLE_MEMBERS)
    listed = set_members(lab.artifacts, alerts) if isinstance(alerts, Artifact) else alerts
    require_alerts_in_range(lab.artifacts, listed, checked.alert_range)
    alert_set, candle_set = _frozen(lab, "alerts", alerts), _frozen(lab, "candles", candles)
    provenance = request.provenance or running_provenance(lab)
    identity = definition_hash(
        alert_set_content_hash=alert_set.content_hash,
        candle_set_content_hash=candle_set.content_hash,
        config=config,
        engine_version=provenance.engine_version,
        caller_aliases_content_hash=None if aliases is None else aliases.content_hash,
    )
    definition = ExperimentDefinition(
        experiment_id=_checked_id(request.experiment_id or experiment_id_for(request.name, identity)),
        name=request.name,
        description=request.description,
        inputs=ExperimentInputs(
            alerts=tuple(request.alerts) or (alert_set.artifact_id,),
            ohlcv=tuple(request.ohlcv) or (candle_set.artifact_id,),
            strategies=tuple(request.strategies),
        ),
        config=config,
        provenance=provenance,
        alert_set_id=alert_set.artifact_id,
        candle_set_id=candle_set.artifact_id,
        caller_aliases_id=None if aliases is None else aliases.artifact_id,
        strategy_id=strategy_id,
    )
    existing = lab.experiments.find_equal(definition)
    if existing is not None:
        return FrozenExperiment(definition, existing)
    if strategy_id is None:
        published, _ = publish_strategy(lab.artifacts, strategy, lab.code_provenance)
        inputs = replace(definition.inputs, strategies=(published.artifact_id,))
        definition = replace(definition, strategy_id=published.artifact_id, inputs=inputs)
    if request.keeps_patch and request.provenance is None:
        provenance = replace(provenance, patch_artifact_id=keep_patch(lab))
        definition = replace(definition, provenance=provenance)
    return FrozenExperiment(definition, None)


def _strategy(lab: Lab, request: ExperimentRequest) -> tuple[Strategy, str | None]:
    """The strategy, and the id of the artifact that was asked for by id."""
    if not request.strategies:
        if request.strategy is None:
            raise InvalidInputError("an experiment needs a strategy; give its mapping or the id of a published one")
        return require_publishable(parse_strategy(request.strategy)), None
    if len(request.strategies) > 1:
        raise InvalidInputError(
            f"an experiment has one strategy, {len(request.strategies)} ids were given; create one experiment for each"
        )
    known = published_strategy(lab.artifacts, _artifact(lab, request.strategies[0]))
    if request.strategy is not None and strategy_hash(parse_strategy(request.strategy)) != strategy_hash(
        known.strategy
    ):
        raise StrategyError(
            f"strategy: the mapping and the published strategy {request.strategies[0]} differ; give one of them"
        )
    return known.strategy, request.strategies[0]


def _checked_id(experiment_id: str) -> str:
    if not is_key_value(experiment_id):
        raise InvalidInputError(
            f"{experiment_id[:200]!r} cannot be a partition key, as experiment ids are: letters, digits and . _ : + - "
            "only, at most 200 characters"
        )
    return experiment_id


def _require_hold_within_slices(strategy: Strategy) -> None:
    """An entry comes as late as delay and limit order allow; what is held longer than the slices reach is censored."""
    latest_s = strategy.entry_delay_s + 60 * ((strategy.limit_ttl_min or 0) + strategy.max_hold_min)
    if latest_s > HOURS_AFTER.total_seconds():
        raise StrategyError(
            f"max_hold_min {strategy.max_hold_min} reaches beyond the candles: with entry_delay_s and limit_ttl_min a "
            f"trade may end {latest_s / 3600:g} h after its call, slices end "
            f"{HOURS_AFTER.total_seconds() / 3600:g} h after the day of the call"
        )


def _require_affordable_stake(checked: CheckedConfig) -> None:
    """A sweep may try stakes that are too large, if it tries another."""
    portfolio = checked.params.portfolio
    stake, capital = initial_purse(portfolio, min(one.stake for one in checked.strategies()))
    if portfolio.sizing == "equal_stake" and stake > capital:
        raise InvalidInputError(
            f"portfolio: starting_capital {capital:g} is less than the stake of {stake:g}: no trade could open; "
            "set portfolio.stake or more capital"
        )


def _aliases(lab: Lab, wanted: str | None) -> Artifact | None:
    if wanted == WITHOUT_ALIASES:
        return None
    if wanted is None:
        return current_aliases(lab.artifacts)
    found = _artifact(lab, wanted)
    if found.artifact_type != CALLER_ALIASES.name or found.status is ArtifactStatus.TOMBSTONED:
        state = "was withdrawn" if found.artifact_type == CALLER_ALIASES.name else f"is a {found.artifact_type}"
        raise InvalidInputError(
            f"{wanted} {state}; expected a list of caller aliases ({CALLER_ALIASES.name}), or {WITHOUT_ALIASES}"
        )
    return found


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
                f"or freeze the set of {of} anew by materializing {_asset_of_set(of)}"
            )
    if not sum(member.row_count for member in unique):
        held = "no members" if not unique else f"{len(unique)} members without a row"
        raise InvalidInputError(f"the set of {of} is empty ({held}); an experiment needs some")
    return given[0] if len(given) == 1 and given[0].artifact_type == ARTIFACT_SET.name else unique


def _asset_of_set(of: str) -> str:
    return owning_asset(ARTIFACT_SET, format_key(ARTIFACT_SET, {"of": of, "selection": CURRENT}))


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
