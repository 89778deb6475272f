"""Which parameter set an experiment's headlines are of: the only one, or the chosen one of a sweep."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.experiments.result_rows import BASE_PARAM_ID


def headline_param_id(metrics: pa.Table) -> str:
    """The parameter set in ``metrics`` (schema ``experiment_metrics``) that has been reported in full.

    Of a sweep's sets, the chosen one alone has a row of ``dsr``, be its value null.
    """
    ids = pc.unique(metrics["param_id"]).to_pylist()
    if len(ids) > 1:
        ids = metrics.filter(pc.field("metric") == "dsr")["param_id"].to_pylist()
    return str(ids[0]) if ids else BASE_PARAM_ID
