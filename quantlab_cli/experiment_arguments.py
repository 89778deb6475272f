"""What ``quantlab experiments create`` is told: strategies, parameters, selections and lists of ids."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from quantlab_assets.workflows.create_experiment import DaySelection

STRATEGY_FILE_SUFFIXES = (".yaml", ".yml", ".json")
MAX_STRATEGY_BYTES = 256 * 1024
SELECTABLE = "alerts_v1"


def parse_ids(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Ids from a repeatable option whose values may list several, separated by commas."""
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())


def parse_selection(_ctx: click.Context, _param: click.Parameter, value: str | None) -> DaySelection | None:
    """``alerts_v1,FROM..TO`` as days, both inclusive."""
    if value is None:
        return None
    from quantlab_assets.workflows.create_experiment import DaySelection

    kind, _, days = value.partition(",")
    first, dots, last = days.partition("..")
    try:
        if kind.strip() != SELECTABLE or not dots:
            raise ValueError
        selection = DaySelection(date.fromisoformat(first.strip()), date.fromisoformat(last.strip()))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not of the form {SELECTABLE},2025-05-01..2025-05-31") from None
    if selection.first > selection.last:
        raise click.BadParameter(f"{selection.first} is after {selection.last}")
    return selection


def parse_params(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """``block.key=value`` pairs as nested mappings; a value is read as YAML reads a scalar."""
    import yaml

    params: dict[str, Any] = {}
    for pair in values:
        path, equals, text = pair.partition("=")
        keys = path.split(".")
        if not equals or not all(keys):
            raise click.BadParameter(f"{pair!r} is not of the form key=value or block.key=value")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise click.BadParameter(f"{pair!r}: the value cannot be read as YAML") from None
        block = params
        for key in keys[:-1]:
            block = block.setdefault(key, {})
            if not isinstance(block, dict):
                raise click.BadParameter(f"{pair!r}: {key} was given a value before and cannot be a block")
        if keys[-1] in block:
            raise click.BadParameter(f"{path!r} is given twice")
        block[keys[-1]] = value
    return params


def read_strategy(name_or_file: str) -> Mapping[str, Any]:
    """The mapping of a strategy: a preset by name, or a YAML or JSON file. Raises StrategyError, NotFoundError."""
    from quantlab_core.simulation.presets import preset
    from quantlab_core.simulation.strategy import strategy_mapping

    if name_or_file.lower().endswith(STRATEGY_FILE_SUFFIXES) or "/" in name_or_file:
        return _strategy_of_file(Path(name_or_file))
    return strategy_mapping(preset(name_or_file))


def _strategy_of_file(path: Path) -> Mapping[str, Any]:
    from quantlab_core.errors import NotFoundError, StorageError, StrategyError

    try:
        size = path.stat().st_size
        if size > MAX_STRATEGY_BYTES:
            raise StrategyError(f"{path}: {size:,} bytes is no strategy; at most {MAX_STRATEGY_BYTES:,} are read")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFoundError(f"strategy file not found: {path}") from None
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}; check that it is a file that you may read") from None
    except UnicodeDecodeError as error:
        raise StrategyError(f"{path}: not UTF-8 text at byte {error.start}") from None
    try:
        document = _from_json(text) if path.suffix.lower() == ".json" else _from_yaml(text)
    except (ValueError, RecursionError) as error:
        raise StrategyError(f"{path}: {error}") from None
    if not isinstance(document, dict):
        raise StrategyError(f"{path}: expected a mapping of keys to values; docs/strategies.md has examples")
    return document


def _from_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_mapping_without_repeats)


def _from_yaml(text: str) -> Any:
    """YAML without anchors, of which a strategy has no need, and without repeated keys, where YAML keeps the last."""
    import yaml

    class StrategyLoader(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise ValueError("aliases (*name) are not supported")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            return _mapping_without_repeats(
                [(self.construct_object(key, True), self.construct_object(value, True)) for key, value in node.value]
            )

        def construct_yaml_map(self, node: Any) -> Any:
            yield self.construct_mapping(node)

    StrategyLoader.add_constructor("tag:yaml.org,2002:map", StrategyLoader.construct_yaml_map)
    try:
        return yaml.load(text, Loader=StrategyLoader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
        raise ValueError(f"not readable as YAML{where}: {getattr(error, 'problem', None) or error}") from None


def _mapping_without_repeats(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    mapping: dict[Any, Any] = {}
    for key, value in pairs:
        if not isinstance(key, str):
            raise ValueError(f"the key {key!r} is not text")
        if key in mapping:
            raise ValueError(f"the key {key!r} is given twice")
        mapping[key] = value
    return mapping
