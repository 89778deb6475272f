"""The external assets ``strategies`` and ``code_patches``: what people bring to an experiment beside its data."""

from __future__ import annotations

import dagster as dg

from quantlab_assets.artifact_asset import OWNER, type_metadata, type_tags
from quantlab_assets.group_guides import guided
from quantlab_core.experiments.artifact_types import CODE_PATCH
from quantlab_core.strategies.artifact_types import STRATEGY

strategies = dg.AssetSpec(
    "strategies",
    description=guided(
        "experiments",
        "strategies",
        f"{STRATEGY.doc} `quantlab strategies publish FILE` publishes one, and so does every experiment.",
    ),
    group_name="experiments",
    owners=[OWNER],
    tags=type_tags(STRATEGY),
    kinds={"yaml"},
    metadata=type_metadata(STRATEGY),
)

code_patches = dg.AssetSpec(
    "code_patches",
    description=guided(
        "experiments", "code_patches", f"{CODE_PATCH.doc} `quantlab experiments create --keep-patch` keeps one."
    ),
    group_name="experiments",
    owners=[OWNER],
    tags=type_tags(CODE_PATCH),
    kinds={"git"},
    metadata=type_metadata(CODE_PATCH),
)


STRATEGY_ASSETS = (strategies, code_patches)
