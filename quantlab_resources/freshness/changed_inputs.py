"""The changed inputs of what is outdated, one by one, as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from quantlab_resources.freshness.outdated import Outdated

NEWER, REPLACED, WITHDRAWN, NOTE = "newer inputs", "replaced inputs", "withdrawn inputs", "note"


@dataclass(frozen=True, slots=True)
class ChangedInput:
    """One input that came, was replaced or was withdrawn since. ``made`` is the artifact that it is an input of; empty
    where that was never made, as ``replaced_by`` is where nothing took its place."""

    change: str
    input_id: str
    partition: str
    made: str
    replaced_by: str = ""


def changed_inputs(outdated: Iterable[Outdated]) -> Iterator[ChangedInput]:
    """Every change of what is outdated; of one without a changed input the note that says why it is."""
    for one in outdated:
        place = (one.partition or "", one.artifact_id or "")
        for artifact_id in one.newer:
            yield ChangedInput(NEWER, artifact_id, *place)
        for old in one.replaced:
            yield ChangedInput(REPLACED, old.artifact_id, *place, replaced_by=old.replaced_by or "")
        for artifact_id in one.withdrawn:
            yield ChangedInput(WITHDRAWN, artifact_id, *place)
        if one.note:
            yield ChangedInput(NOTE, one.note, *place)
