"""A strategy that a person wrote in a file of its own, wherever one may be named: commands, and files of sweeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quantlab_core.errors import StrategyError
from quantlab_resources.mapping_file import read_mapping

STRATEGY_FILE_SUFFIXES = (".yaml", ".yml", ".json")
MAX_STRATEGY_BYTES = 256 * 1024


def is_strategy_file(text: str) -> bool:
    """Whether ``text`` names a file rather than a strategy."""
    return text.lower().endswith(STRATEGY_FILE_SUFFIXES) or "/" in text


def read_strategy_file(path: Path) -> dict[str, Any]:
    """The mapping of the strategy in a YAML or JSON file. Raises StrategyError, NotFoundError, StorageError."""
    return read_mapping(
        path, what="strategy", page="docs/strategies.md", most_bytes=MAX_STRATEGY_BYTES, error=StrategyError
    )
