"""The frozen inputs of an experiment: found, and checked against what was frozen."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from quantlab_core.artifacts.any_version import read_newest
from quantlab_core.artifacts.artifact import Artifact, ArtifactStatus
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.artifacts.frozen_set import set_members
from quantlab_core.artifacts.frozen_set_members import ALERT_MEMBERS, CANDLE_MEMBERS, require_members
from quantlab_core.errors import IntegrityError, InvalidInputError
from quantlab_core.experiments.experiment import ExperimentDefinition
from quantlab_core.simulation.strategy import parse_strategy
from quantlab_core.strategies.strategy_table import strategy_hash, strategy_of


@dataclass(frozen=True, slots=True)
class FrozenInputs:
    """The two sets of an experiment and their members, in the order of the sets; what else it pins, if it does."""

    alert_set: Artifact
    candle_set: Artifact
    alert_members: tuple[Artifact, ...]
    candle_members: tuple[Artifact, ...]
    caller_aliases: Artifact | None
    strategy: Artifact | None

    @property
    def read_apart(self) -> tuple[Artifact, ...]:
        """All but the sets, which were read to find their members."""
        pinned = (self.caller_aliases, self.strategy)
        return (*(one for one in pinned if one is not None), *self.alert_members, *self.candle_members)


def frozen_inputs(store: ArtifactStore, definition: ExperimentDefinition) -> FrozenInputs:
    """The inputs of ``definition``, which are still what was frozen; superseded ones are.

    The bytes of members are checked when they are read. Raises ArtifactNotFoundError, InvalidInputError (a withdrawn
    input, or one of a type that has no place in the set), IntegrityError (a member with other content than was frozen,
    or a strategy other than the definition's), ArtifactDamagedError, ArtifactMissingError.
    """
    alert_set, alert_members = _checked_set(store, definition.alert_set_id, ALERT_MEMBERS)
    candle_set, candle_members = _checked_set(store, definition.candle_set_id, CANDLE_MEMBERS)
    aliases = _pinned(store, definition.caller_aliases_id, "the experiment's list of aliases")
    strategy = _pinned(store, definition.strategy_id, "the experiment's strategy")
    if strategy is not None:
        _require_same_strategy(definition, read_newest(store, strategy))
    return FrozenInputs(alert_set, candle_set, alert_members, candle_members, aliases, strategy)


def _checked_set(store: ArtifactStore, set_id: str, types: frozenset[str]) -> tuple[Artifact, tuple[Artifact, ...]]:
    artifact_set = store.get_artifact(set_id)
    _require_in_use(artifact_set, "the frozen set")
    members = set_members(store, artifact_set)
    frozen_hashes = store.read(set_id).column("content_hash").to_pylist()
    for member, frozen_hash in zip(members, frozen_hashes, strict=True):
        _require_in_use(member, "an input of the experiment")
        if member.content_hash != frozen_hash:
            raise IntegrityError(
                f"{member.artifact_id} ({member.logical_key}) has the content {member.content_hash}, but "
                f"{frozen_hash} was frozen in {set_id}; see `quantlab lake verify`"
            )
    require_members(members, types)
    return artifact_set, tuple(members)


def _pinned(store: ArtifactStore, artifact_id: str | None, what: str) -> Artifact | None:
    if artifact_id is None:
        return None
    artifact = store.get_artifact(artifact_id)
    _require_in_use(artifact, what)
    return artifact


def _require_same_strategy(definition: ExperimentDefinition, published: pa.Table) -> None:
    if strategy_hash(strategy_of(published)) != strategy_hash(parse_strategy(definition.config.strategy)):
        raise IntegrityError(
            f"the strategy of experiment {definition.experiment_id} is not that of {definition.strategy_id}, "
            "which it names; nothing was simulated, see `quantlab lake verify`"
        )


def _require_in_use(artifact: Artifact, what: str) -> None:
    if artifact.status is ArtifactStatus.TOMBSTONED:
        raise InvalidInputError(
            f"{artifact.artifact_id} ({artifact.logical_key}), {what}, was withdrawn; nothing was simulated, "
            "create the experiment again without it"
        )
