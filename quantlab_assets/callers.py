"""The external asset ``caller_aliases``: a list that people keep and hand in, and how assets read one."""

from __future__ import annotations

import dagster as dg

from quantlab_assets.artifact_asset import OWNER, type_metadata, type_tags
from quantlab_assets.group_guides import guided
from quantlab_core.alerts.artifact_types import CALLER_ALIASES

caller_aliases = dg.AssetSpec(
    "caller_aliases",
    description=guided(
        "alerts",
        "caller_aliases",
        f"{CALLER_ALIASES.doc} `quantlab callers alias FILE` hands in a list in place of the last.",
    ),
    group_name="alerts",
    owners=[OWNER],
    tags=type_tags(CALLER_ALIASES),
    kinds={"yaml"},
    metadata=type_metadata(CALLER_ALIASES),
)
