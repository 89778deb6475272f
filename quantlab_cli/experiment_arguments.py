"""What ``quantlab experiments create`` is told: parameters, selections and lists of ids."""

from __future__ import annotations

from datetime import date
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

import click

from quantlab_cli.tables import Function

if TYPE_CHECKING:
    from quantlab_resources.experiments.experiment_freezing import DaySelection

SELECTABLE = "alerts_v1"


def parse_ids(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Ids from a repeatable option whose values may list several, separated by commas."""
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())


def parse_selection(_ctx: click.Context, _param: click.Parameter, value: str | None) -> DaySelection | None:
    """``alerts_v1,FROM..TO`` as days, both inclusive."""
    if value is None:
        return None
    from quantlab_resources.experiments.experiment_freezing import DaySelection

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


def input_options(function: Function) -> Function:
    """The options of commands that freeze inputs: ``--alerts`` or ``--select``, not both, and ``--ohlcv``."""

    @wraps(function)
    def checked(*given: Any, alerts: tuple[str, ...], selection: DaySelection | None, **others: Any) -> Any:
        if alerts and selection is not None:
            raise click.UsageError("--alerts and --select exclude each other")
        return function(*given, alerts=alerts, selection=selection, **others)

    decorated = cast(Function, checked)
    for option in reversed(_INPUT_OPTIONS):
        decorated = option(decorated)
    return decorated


_INPUT_OPTIONS = (
    click.option(
        "--alerts", multiple=True, callback=parse_ids, metavar="IDS", help="Alerts artifacts or sets, comma-separated."
    ),
    click.option(
        "--ohlcv", multiple=True, callback=parse_ids, metavar="IDS", help="Candle artifacts or sets, comma-separated."
    ),
    click.option(
        "--select",
        "selection",
        callback=parse_selection,
        metavar="alerts_v1,FROM..TO",
        help="Alerts by day instead of by id.",
    ),
)
"""In the order in which help shows them."""
