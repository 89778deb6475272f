"""A strategy as a user names it: a file, the name of a preset or of a published strategy, or an id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantlab_core.errors import StrategyError
from quantlab_core.simulation.strategy import strategy_mapping
from quantlab_resources.mapping_file import read_mapping
from quantlab_resources.strategies.known_strategies import find_strategy

if TYPE_CHECKING:
    from quantlab_core.artifacts.artifact_store import ArtifactStore

STRATEGY_FILE_SUFFIXES = (".yaml", ".yml", ".json")
MAX_STRATEGY_BYTES = 256 * 1024


def is_strategy_file(text: str) -> bool:
    """Whether ``text`` names a file rather than a strategy."""
    return text.lower().endswith(STRATEGY_FILE_SUFFIXES) or "/" in text


def read_strategy(file: Path) -> Mapping[str, Any]:
    """The mapping of the strategy in a YAML or JSON file. Raises StrategyError, NotFoundError, StorageError."""
    return read_mapping(
        file, what="strategy", page="docs/strategies.md", most_bytes=MAX_STRATEGY_BYTES, error=StrategyError
    )


def chosen_strategy(store: ArtifactStore, text: str, *, file_of: Callable[[str], Path] = Path) -> dict[str, Any]:
    """What ``text`` says as fields of an `ExperimentRequest`; ``file_of`` says which file a path means.

    Raises StrategyError, NotFoundError, StorageError.
    """
    if is_strategy_file(text):
        return {"strategy": read_strategy(file_of(text))}
    known = find_strategy(store, text)
    if known.artifact is None or known.is_preset:
        return {"strategy": strategy_mapping(known.strategy)}
    return {"strategies": (known.artifact.artifact_id,)}
