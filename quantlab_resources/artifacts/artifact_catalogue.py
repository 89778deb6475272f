"""The reading half of the artifact store: every question that the manifest alone answers.

Kept apart so that a program which only asks starts in milliseconds: Arrow is loaded by whoever publishes or reads
tables, never by this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from quantlab_core.artifacts.artifact import Artifact, ArtifactFilter, ArtifactLineage, ArtifactList
from quantlab_core.artifacts.artifact_files import ArtifactFiles
from quantlab_core.errors import InvalidInputError, QuantlabError
from quantlab_resources.artifacts.manifest import heads_as_of, manifest_queries, publication_log
from quantlab_resources.artifacts.manifest.manifest import Manifest
from quantlab_resources.artifacts.manifest.publication_log import PublicationRecord


class ArtifactCatalogue:
    """What a lake's manifest says about its artifacts, with the paths at which their files are.

    Nothing is opened before the first question, which raises LakeNotFoundError when there is no lake.
    """

    def __init__(self, manifest: Manifest, files: ArtifactFiles) -> None:
        self.manifest = manifest
        self.files = files

    def get_artifact(self, artifact_id: str) -> Artifact:
        """The artifact with this id. Raises ArtifactNotFoundError."""
        with self.manifest.reading() as connection:
            return self.located(manifest_queries.get(connection, artifact_id))

    def get_artifacts(self, artifact_ids: Sequence[str]) -> list[Artifact | None]:
        """The artifacts with these ids in the same order; None where an id is unknown."""
        with self.manifest.reading() as connection:
            found = manifest_queries.get_many(connection, artifact_ids)
        return [None if artifact is None else self.located(artifact) for artifact in found]

    def stored_bytes(self, artifact_ids: Sequence[str]) -> int:
        """How many bytes the Parquet files of these artifacts have together."""
        with self.manifest.reading() as connection:
            return manifest_queries.stored_bytes(connection, artifact_ids)

    def list_artifacts(self, filter: ArtifactFilter) -> ArtifactList:
        """Matching artifacts, newest first, and whether ``filter.limit`` cut the list. Raises InvalidInputError."""
        if filter.limit is not None and filter.limit < 0:
            raise InvalidInputError(f"a limit of {filter.limit} makes no sense; leave it out to list all")
        with self.manifest.reading() as connection:
            found = manifest_queries.list_artifacts(connection, filter)
        return replace(found, artifacts=tuple(map(self.located, found.artifacts)))

    def find_by_logical_key(self, artifact_type: str, logical_key: str) -> list[Artifact]:
        """Every artifact ever published under this key, newest first."""
        with self.manifest.reading() as connection:
            return [
                self.located(a) for a in manifest_queries.find_by_logical_key(connection, artifact_type, logical_key)
            ]

    def heads(self, artifact_type: str, key_prefix: str = "") -> list[Artifact]:
        """The active head of every key of this type that starts with ``key_prefix``, sorted by key."""
        with self.manifest.reading() as connection:
            return [
                self.located(artifact) for artifact in manifest_queries.heads(connection, artifact_type, key_prefix)
            ]

    def adopted(self, artifact_type: str, key_prefix: str = "") -> list[Artifact]:
        """Artifacts of the earlier store that were the heads of their keys when they were adopted, sorted by key.

        Superseded ones are among them, withdrawn ones are not: what was taken over must not be lost by later work.
        """
        with self.manifest.reading() as connection:
            return [self.located(a) for a in manifest_queries.adopted(connection, artifact_type, key_prefix)]

    def tags(self, artifact_id: str) -> list[tuple[str, str]]:
        """Names and values of the artifact's tags, sorted; a name may have several values."""
        with self.manifest.reading() as connection:
            return manifest_queries.tags(connection, artifact_id)

    def publications(self, artifact_id: str | None = None) -> list[PublicationRecord]:
        """Every publication in its order, deduplicated ones included; of one artifact, or of the whole lake."""
        with self.manifest.reading() as connection:
            return publication_log.publications(connection, artifact_id)

    def last_publication(self, artifact_types: Sequence[str], *, sequence: int, run_id: str) -> str | None:
        """When the latest publication of these types was (UTC text), deduplicated ones included; None without any.

        As of ``sequence``, plus what the run ``run_id`` has published since.
        """
        with self.manifest.reading() as connection:
            return publication_log.last_publication(connection, artifact_types, sequence=sequence, run_id=run_id)

    def last_sequence(self) -> int:
        """The number of the latest committed change of this lake; 0 when nothing was published yet."""
        with self.manifest.reading() as connection:
            return heads_as_of.last_sequence(connection)

    def heads_as_of(self, artifact_type: str, key_prefix: str = "", *, sequence: int, run_id: str) -> list[Artifact]:
        """The heads as they were at ``sequence``, plus what the run ``run_id`` has published since, sorted by key."""
        with self.manifest.reading() as connection:
            found = heads_as_of.heads_as_of(connection, artifact_type, key_prefix, sequence=sequence, run_id=run_id)
            return [self.located(artifact) for artifact in found]

    def get_lineage(self, artifact_id: str, depth: int | None = 1) -> ArtifactLineage:
        """What the artifact was made from, up to ``depth`` edges away (None: to the raw files), nearest first.

        A set on the way stands for its members: they come with it at the same depth. ``depth`` of the answer is how far
        the farthest input is.
        """
        _check_depth(depth)
        with self.manifest.reading() as connection:
            manifest_queries.get(connection, artifact_id)
            inputs, edges = manifest_queries.lineage(connection, artifact_id, depth)
        return ArtifactLineage(
            artifact_id,
            tuple(map(self.located, inputs)),
            max((edge.depth for edge in edges), default=0),
            tuple(edges),
        )

    def get_downstream(self, artifact_id: str, depth: int | None = 1) -> list[Artifact]:
        """What was made from the artifact, nearest first, up to ``depth`` edges away (None: all)."""
        _check_depth(depth)
        with self.manifest.reading() as connection:
            manifest_queries.get(connection, artifact_id)
            return [self.located(artifact) for artifact in manifest_queries.downstream(connection, artifact_id, depth)]

    def is_available(self) -> bool:
        """Whether the manifest can be opened and answers."""
        try:
            with self.manifest.reading() as connection:
                connection.execute("SELECT 1 FROM artifacts LIMIT 1").fetchone()
        except QuantlabError:
            return False
        return True

    def close(self) -> None:
        """Let go of this thread's connection; the store can be used again afterwards."""
        self.manifest.close()

    def located(self, a: Artifact) -> Artifact:
        """The artifact of a manifest's row with the paths at which its files are."""
        # Not `replace`, which takes five times as long.
        parquet, sidecar = self.files.location(a.path_parquet), self.files.location(a.path_sidecar)
        return Artifact(
            *(a.artifact_id, a.artifact_type, a.schema_version, a.logical_key, a.status, parquet, sidecar),
            *(a.file_hash, a.content_hash, a.row_count, a.created_at, a.min_ts, a.max_ts),
        )


def _check_depth(depth: int | None) -> None:
    if depth is not None and depth < 0:
        raise InvalidInputError(f"a depth of {depth} makes no sense; use 1 or more, or None for all")
