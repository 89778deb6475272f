"""The list of caller aliases that is current in a lake."""

from __future__ import annotations

from quantlab_core.alerts.artifact_types import CALLER_ALIASES
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.artifacts.frozen_set import CURRENT
from quantlab_core.artifacts.logical_key import format_key

CURRENT_KEY = format_key(CALLER_ALIASES, {"selection": CURRENT})


def current_aliases(store: ArtifactStore) -> Artifact | None:
    """The current list of aliases; None where nobody handed one in, or the last one was withdrawn."""
    return next(
        (head for head in store.heads(CALLER_ALIASES.name, CURRENT_KEY) if head.logical_key == CURRENT_KEY), None
    )
