"""Which parameter set is reported in full: the chosen one of a sweep, else the only one.

The table of parameter sets says so. Where only metrics are at hand, they tell it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments.result_rows import BASE_PARAM_ID


def chosen_set(parameter_sets: pa.Table) -> Mapping[str, Any]:
    """The row of the chosen set in a table of ``experiment_parameter_sets``.

    Raises InvalidInputError unless exactly one is chosen.
    """
    rows: list[dict[str, Any]] = parameter_sets.filter(pc.field("is_chosen")).to_pylist()
    if len(rows) != 1:
        raise InvalidInputError(
            f"parameter sets: {len(rows)} of {parameter_sets.num_rows} are the chosen one, expected one"
        )
    return rows[0]


def reported_param_id(parameter_sets: pa.Table | None) -> str:
    """The id of the set that trades and curves are of; None are the parameter sets of an experiment that is no sweep.

    Raises InvalidInputError as `chosen_set`.
    """
    return BASE_PARAM_ID if parameter_sets is None else str(chosen_set(parameter_sets)["param_id"])


def headline_param_id(metrics: pa.Table) -> str:
    """The same from ``metrics`` alone (schema ``experiment_metrics``).

    Of a sweep's sets, the chosen one alone has a row of ``dsr``, be its value null.
    """
    ids = pc.unique(metrics["param_id"]).to_pylist()
    if len(ids) > 1:
        ids = metrics.filter(pc.field("metric") == "dsr")["param_id"].to_pylist()
    return str(ids[0]) if ids else BASE_PARAM_ID
