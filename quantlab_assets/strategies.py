"""The external assets ``strategies`` and ``code_patches``: what people bring to an experiment beside its data."""

from __future__ import annotations

import dagster as dg

from quantlab_assets.artifact_asset import OWNER, type_metadata
from quantlab_core.experiments.artifact_types import CODE_PATCH
from quantlab_core.strategies.artifact_types import STRATEGY

strategies = dg.AssetSpec(
    "strategies",
    description=f"{STRATEGY.doc} `quantlab strategies publish FILE` publishes one, and so does every experiment.",
    group_name="experiments",
    owners=[OWNER],
    kinds={"yaml"},
    metadata=type_metadata(STRATEGY),
)

code_patches = dg.AssetSpec(
    "code_patches",
    description=f"{CODE_PATCH.doc} `quantlab experiments create --keep-patch` keeps one.",
    group_name="experiments",
    owners=[OWNER],
    kinds={"git"},
    metadata=type_metadata(CODE_PATCH),
)


STRATEGY_ASSETS = (strategies, code_patches)
