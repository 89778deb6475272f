"""A sweep file: an experiment whose strategy is to be varied, as a person writes it in YAML or JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments.experiment import DateRange
from quantlab_core.experiments.experiment_params import PARAM_KEYS, parse_params
from quantlab_core.experiments.sweep_config import SWEEP_KEYS
from quantlab_core.simulation.config_fields import ConfigFields

_BLOCKS = tuple(key for key in PARAM_KEYS if key != "sweep")
SWEEP_FILE_KEYS = ("name", "description", "strategy", "from", "to", *SWEEP_KEYS, *_BLOCKS)


@dataclass(frozen=True, slots=True)
class SweepFile:
    """What a sweep file says. ``strategy`` is the base: a mapping, or the name of a preset or a file.

    ``params`` are an experiment's, with the ``sweep`` block.
    """

    name: str
    strategy: Mapping[str, Any] | str
    date_range: DateRange
    params: Mapping[str, Any]
    description: str | None = None


def parse_sweep_file(document: object) -> SweepFile:
    """The sweep that ``document`` (a file's content) describes, its blocks checked; its strategy is not looked at.

    Raises InvalidInputError naming the key.
    """
    fields = ConfigFields("sweep file", document, SWEEP_FILE_KEYS)
    name = fields.text("name")
    if not name:
        raise fields.refuse("name", "is required: a name for people")
    strategy = fields.block("strategy")
    if not strategy or not isinstance(strategy, str | Mapping):
        raise fields.refuse("strategy", "is required: the name of a preset, a strategy file, or a mapping to vary")
    params = {key: fields.block(key) for key in _BLOCKS if key in fields}
    params["sweep"] = {key: fields.block(key) for key in SWEEP_KEYS if key in fields}
    parse_params(params)
    return SweepFile(
        name=name,
        description=fields.text("description"),
        strategy=strategy,
        date_range=DateRange(_bound(fields, "from"), _bound(fields, "to")),
        params=params,
    )


def _bound(fields: ConfigFields, key: str) -> str | None:
    """A bound as text; YAML reads an unquoted date or time as one."""
    if key not in fields:
        return None
    value = fields.block(key)
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str):
        raise InvalidInputError(f"sweep file: {key} must be a date or a time with its zone, got {value!r}")
    return value
