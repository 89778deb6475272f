"""The external asset ``caller_aliases``: a list that people keep and hand in, and how assets read one."""

from __future__ import annotations

import dagster as dg

from quantlab_assets.artifact_asset import OWNER, type_metadata
from quantlab_core.alerts.artifact_types import CALLER_ALIASES
from quantlab_core.alerts.caller_aliases import NO_ALIASES, CallerAliases, aliases_of
from quantlab_core.artifacts.any_version import read_newest
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_store import ArtifactStore

caller_aliases = dg.AssetSpec(
    "caller_aliases",
    description=f"{CALLER_ALIASES.doc} `quantlab callers alias FILE` hands in a list in place of the last.",
    group_name="alerts",
    owners=[OWNER],
    kinds={"yaml"},
    metadata=type_metadata(CALLER_ALIASES),
)


def aliases_in(store: ArtifactStore, artifact: Artifact | None) -> CallerAliases:
    """The aliases in the artifact, verified; none without one. Raises IntegrityError."""
    return NO_ALIASES if artifact is None else aliases_of(read_newest(store, artifact))
