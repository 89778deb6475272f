"""The strategies that a lake knows: presets by name, published ones by name or id; and how one is published.

The name of a preset belongs to the preset: other values are never published under it, so a name means one thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantlab_core.artifacts.any_version import read_newest
from quantlab_core.artifacts.artifact import Artifact, ArtifactStatus, PublishRequest, Writer
from quantlab_core.errors import ArtifactNotFoundError, InvalidInputError, StrategyError
from quantlab_core.simulation.config_fields import nearest
from quantlab_core.simulation.presets import PRESETS, preset
from quantlab_core.simulation.strategy import Strategy
from quantlab_core.strategies.artifact_types import STRATEGY
from quantlab_core.strategies.strategy_table import (
    key_of_name,
    strategy_hash,
    strategy_key,
    strategy_of,
    strategy_table,
)
from quantlab_resources.version import QUANTLAB_VERSION

if TYPE_CHECKING:
    from quantlab_core.artifacts.artifact_store import ArtifactStore
    from quantlab_core.code_provenance import CodeProvenance


@dataclass(frozen=True, slots=True)
class KnownStrategy:
    """A strategy and the artifact that holds it; a preset that nobody used yet has none."""

    strategy: Strategy
    artifact: Artifact | None

    @property
    def is_preset(self) -> bool:
        """Whether it is a preset as this version of quantlab has it."""
        name = self.strategy.name
        return name in PRESETS and strategy_hash(self.strategy) == strategy_hash(preset(name))


def known_strategies(store: ArtifactStore) -> list[KnownStrategy]:
    """The presets in their order, then what was published under other keys, by key. Raises IntegrityError."""
    heads = {head.logical_key: head for head in store.heads(STRATEGY.name)}
    found = [_of_preset(name, heads.pop(key_of_name(name), None)) for name in PRESETS]
    return [*found, *(KnownStrategy(strategy_of(read_newest(store, head)), head) for head in heads.values())]


def find_strategy(store: ArtifactStore, name_or_id: str) -> KnownStrategy:
    """The preset of this name, else the current strategy published under it, else the strategy with this id.

    Raises StrategyError where there is none, or where it was withdrawn; IntegrityError.
    """
    key = key_of_name(name_or_id)
    head = next((head for head in store.heads(STRATEGY.name, key) if head.logical_key == key), None)
    if name_or_id in PRESETS:
        return _of_preset(name_or_id, head)
    if head is not None:
        return KnownStrategy(strategy_of(read_newest(store, head)), head)
    try:
        artifact = store.get_artifact(name_or_id)
    except ArtifactNotFoundError:
        names = [*PRESETS, *(head.logical_key.partition("=")[2] for head in store.heads(STRATEGY.name))]
        raise StrategyError(
            f"no strategy {name_or_id[:100]!r}{nearest(name_or_id, names)}; `quantlab strategies list` shows what "
            "there is, a file is named with its suffix"
        ) from None
    return published_strategy(store, artifact)


def published_strategy(store: ArtifactStore, artifact: Artifact) -> KnownStrategy:
    """The strategy in ``artifact``. Raises StrategyError for one of another type or withdrawn, IntegrityError."""
    if artifact.artifact_type != STRATEGY.name:
        raise StrategyError(f"{artifact.artifact_id} is a {artifact.artifact_type}, not a strategy ({STRATEGY.name})")
    if artifact.status is ArtifactStatus.TOMBSTONED:
        raise StrategyError(
            f"strategy {artifact.artifact_id} ({artifact.logical_key}) was withdrawn; choose another, or publish it "
            "again under another name"
        )
    return KnownStrategy(strategy_of(read_newest(store, artifact)), artifact)


def require_publishable(strategy: Strategy) -> Strategy:
    """What is published for ``strategy``: itself, or the preset whose name and values it has.

    Raises StrategyError for other values under the name of a preset.
    """
    if strategy.name not in PRESETS:
        return strategy
    of_that_name = preset(strategy.name)
    if strategy_hash(strategy) != strategy_hash(of_that_name):
        raise StrategyError(
            f"strategy: name {strategy.name} is that of a preset, which has other values; give yours another name"
        )
    return of_that_name


def publish_strategy(store: ArtifactStore, strategy: Strategy, code: CodeProvenance) -> tuple[Artifact, bool]:
    """The strategy as an artifact, current under its name, and whether it was published just now.

    Nothing is written where it is current already. Raises StrategyError (`require_publishable`), ConflictError (this
    content was withdrawn), StorageError.
    """
    strategy = require_publishable(strategy)
    key = strategy_key(strategy)
    for head in store.heads(STRATEGY.name, key):
        if head.logical_key == key and strategy_of(read_newest(store, head)) == strategy:
            return head, False
    version = code.code_version()
    result = store.publish(
        PublishRequest(
            artifact_type=STRATEGY.name,
            schema_version=STRATEGY.version,
            logical_key=key,
            data=strategy_table(strategy),
            writer=Writer("quantlab.strategies", QUANTLAB_VERSION, version.git_commit, version.git_dirty),
            tags={} if strategy.name is None else {"strategy": strategy.name},
            supersede_reason="another strategy was published under this name",
        )
    )
    return result.artifact, True


def require_named(strategy: Strategy) -> None:
    """Raise InvalidInputError for a strategy that nobody could ask for by name."""
    if strategy.name is None:
        raise InvalidInputError("strategy: name is missing; a strategy is published under its name")


def _of_preset(name: str, head: Artifact | None) -> KnownStrategy:
    return KnownStrategy(preset(name), head)
