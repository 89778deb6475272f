"""A strategy as a user names it: a file, the name of a preset or of a published strategy, or an id."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantlab_core.simulation.strategy import strategy_mapping
from quantlab_resources.strategies.known_strategies import find_strategy
from quantlab_resources.strategies.strategy_file import is_strategy_file, read_strategy_file

if TYPE_CHECKING:
    from quantlab_core.artifacts.artifact_store import ArtifactStore


def chosen_strategy(store: ArtifactStore, text: str, *, file_of: Callable[[str], Path] = Path) -> dict[str, Any]:
    """What ``text`` says as fields of an `ExperimentRequest`; ``file_of`` says which file a path means.

    Raises StrategyError, NotFoundError, StorageError.
    """
    if is_strategy_file(text):
        return {"strategy": read_strategy_file(file_of(text))}
    return strategy_fields(store, text)


def strategy_fields(store: ArtifactStore, name_or_id: str) -> dict[str, Any]:
    """A strategy by name or id as fields of an `ExperimentRequest`. Raises StrategyError, IntegrityError.

    What was published is pinned as it is: published anew, an earlier strategy would take the place of the one that is
    current under its name.
    """
    known = find_strategy(store, name_or_id)
    if known.artifact is None or known.is_preset:
        return {"strategy": strategy_mapping(known.strategy)}
    return {"strategies": (known.artifact.artifact_id,)}
