"""The external asset ``caller_aliases``: a list that people keep and hand in, and how assets read one."""

from __future__ import annotations

import dagster as dg

from quantlab_assets.artifact_asset import OWNER, type_metadata
from quantlab_core.alerts.artifact_types import CALLER_ALIASES

caller_aliases = dg.AssetSpec(
    "caller_aliases",
    description=f"{CALLER_ALIASES.doc} `quantlab callers alias FILE` hands in a list in place of the last.",
    group_name="alerts",
    owners=[OWNER],
    kinds={"yaml"},
    metadata=type_metadata(CALLER_ALIASES),
)
