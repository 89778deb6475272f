"""Whether the stored bytes of artifacts are what was recorded, before work is begun that rests on them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.errors import IntegrityError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.changes.collection import check_not_collected
from quantlab_resources.artifacts.files.parquet_files import read_verified_bytes
from quantlab_resources.artifacts.manifest import manifest_queries

THREADS = 2


def require_whole(store: ParquetArtifactStore, artifact_ids: Sequence[str]) -> None:
    """Read and hash every file. Raises ArtifactMissingError or ArtifactDamagedError, with the first that fails.

    Ids that the manifest does not know are passed over.
    """
    with store.manifest.reading() as connection:
        recorded = [found for found in manifest_queries.get_many(connection, artifact_ids) if found is not None]

    def check(artifact: Artifact) -> None:
        try:
            read_verified_bytes(store.files, artifact.path_parquet, artifact.file_hash)
        except IntegrityError as error:
            with store.manifest.reading() as connection:
                check_not_collected(connection, artifact)
            raise type(error)(f"{artifact.artifact_id} ({artifact.logical_key}): {error}") from error

    # Reading and hashing let go of the interpreter.
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(check, recorded):
            pass
