"""The id of an artifact: a function of what it is, so that a re-run and a rebuilt manifest find the same id."""

from __future__ import annotations

import uuid

ARTIFACT_NAMESPACE = uuid.UUID("6f1d6b0e-6c57-5f43-9d0c-5f6f0a3f7a51")
"""Fixed for ever: every artifact id depends on it."""


def artifact_id(artifact_type: str, schema_version: int, logical_key: str, content_hash: str) -> str:
    """UUIDv5 (RFC 9562) of the four parts that make an artifact, joined by line feeds, which none of them can hold."""
    return str(uuid.uuid5(ARTIFACT_NAMESPACE, f"{artifact_type}\n{schema_version}\n{logical_key}\n{content_hash}"))
