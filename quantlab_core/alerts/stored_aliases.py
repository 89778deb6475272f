"""Lists of caller aliases in a lake: which one is current, and what one says."""

from __future__ import annotations

from quantlab_core.alerts.artifact_types import CALLER_ALIASES
from quantlab_core.alerts.caller_aliases import NO_ALIASES, CallerAliases, aliases_of
from quantlab_core.artifacts.any_version import read_newest
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.artifacts.frozen_set import CURRENT
from quantlab_core.artifacts.frozen_set_members import require_members
from quantlab_core.artifacts.logical_key import format_key

CURRENT_KEY = format_key(CALLER_ALIASES, {"selection": CURRENT})


def current_aliases(store: ArtifactStore) -> Artifact | None:
    """The current list of aliases; None where nobody handed one in, or the last one was withdrawn."""
    return next(
        (head for head in store.heads(CALLER_ALIASES.name, CURRENT_KEY) if head.logical_key == CURRENT_KEY), None
    )


def aliases_in(store: ArtifactStore, artifact: Artifact | None) -> CallerAliases:
    """The aliases in the artifact, verified; none without one. Raises IntegrityError, InvalidInputError."""
    if artifact is None:
        return NO_ALIASES
    require_members([artifact], frozenset({CALLER_ALIASES.name}))
    return aliases_of(read_newest(store, artifact))
