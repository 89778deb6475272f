"""One committed transaction of the manifest as its log has it, in the parts that are lineage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quantlab_core.artifacts.artifact import Artifact, Writer

ARTIFACT, PUBLICATION, HEAD, TOMBSTONE, REVIVAL, ADOPTION = (
    "artifact", "publication", "head", "tombstone", "revival", "adoption",
)  # fmt: skip
"""Kinds of changes that are lineage. States of experiments and the collection of bytes are not."""


@dataclass(frozen=True, slots=True)
class LoggedTransaction:
    """Change number ``sequence`` of the lake.

    ``at`` is UTC text, ``sha256`` that of its event file, ``changes`` what that file says, each with its ``kind``.
    ``artifacts`` has the row of every artifact that `named_artifacts` finds in them.
    """

    sequence: int
    at: str
    sha256: str
    changes: Sequence[Mapping[str, Any]]
    artifacts: Mapping[str, Artifact]

    def of_kind(self, kind: str) -> list[Mapping[str, Any]]:
        """The changes of this kind, in their order."""
        return [change for change in self.changes if change["kind"] == kind]


@dataclass(frozen=True, slots=True)
class LoggedPublication:
    """One artifact that was published or adopted, with the exact artifacts that it was made from."""

    artifact_id: str
    input_ids: tuple[str, ...]
    at: str
    ordinal: int
    deduped: bool = False
    run_id: str | None = None
    writer: Writer | None = None

    @property
    def is_adoption(self) -> bool:
        """Whether the earlier store had published it."""
        return self.writer is None


def publications_of(transaction: LoggedTransaction) -> Iterator[LoggedPublication]:
    """What was published and adopted, in order. An adopted artifact has what the earlier store knew as its inputs."""
    for change in transaction.of_kind(PUBLICATION):
        yield LoggedPublication(
            artifact_id=change["artifact_id"],
            input_ids=tuple(sorted(change["inputs"])),
            at=change.get("published_at", transaction.at),
            ordinal=change["ordinal"],
            deduped=bool(change["deduped"]),
            run_id=change["run_id"],
            writer=Writer(
                change["writer"]["name"], change["writer"]["version"], change["git"]["commit"], change["git"]["dirty"]
            ),
        )
    for number, change in enumerate(transaction.of_kind(ADOPTION), start=1):
        yield LoggedPublication(change["artifact_id"], tuple(sorted(change["inputs"])), transaction.at, number)


def named_artifacts(changes: Sequence[Mapping[str, Any]]) -> set[str]:
    """Ids of all artifacts that the events of these changes speak of."""
    named: set[str | None] = set()
    for change in changes:
        match change["kind"]:
            case "publication" | "adoption":
                named.update((change["artifact_id"], *change["inputs"]))
            case "head":
                named.update((change["new"], change["old"]))
            case "tombstone":
                named.add(change["artifact_id"])
    return {artifact_id for artifact_id in named if artifact_id is not None}
