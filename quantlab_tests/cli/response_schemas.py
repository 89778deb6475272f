"""The response schemas of the requirement's TypeScript client, word for word as pydantic models.

There an optional key may be absent but never null, a nullable one must be there, further keys are dropped, and no value
is converted.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

ABSENT: Any = object()


class Response(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class Artifact(Response):
    artifactId: str  # noqa: N815 - the requirement's spelling, here and below
    artifactType: str  # noqa: N815
    schemaVersion: int  # noqa: N815
    logicalKey: str  # noqa: N815
    status: Literal["active", "superseded", "tombstoned"]
    pathParquet: str  # noqa: N815
    pathSidecar: str  # noqa: N815
    fileHash: str  # noqa: N815
    contentHash: str  # noqa: N815
    rowCount: int  # noqa: N815
    minTs: str | None  # noqa: N815
    maxTs: str | None  # noqa: N815
    createdAt: str  # noqa: N815


class PublishArtifactResult(Response):
    success: bool
    deduped: bool
    mode: Literal["file_hash", "content_hash"] = ABSENT
    existingArtifactId: str = ABSENT  # noqa: N815
    artifactId: str = ABSENT  # noqa: N815
    pathParquet: str = ABSENT  # noqa: N815
    pathSidecar: str = ABSENT  # noqa: N815
    error: str = ABSENT


class ArtifactLineage(Response):
    artifactId: str  # noqa: N815
    inputs: list[Artifact]
    depth: int


class ExperimentInputs(Response):
    alerts: list[str]
    ohlcv: list[str]
    strategies: list[str] = ABSENT


class DateRange(Response):
    from_: str = Field(alias="from")
    to: str


class ExperimentConfig(Response):
    strategy: dict[str, Any]
    dateRange: DateRange  # noqa: N815
    params: dict[str, Any]


class Provenance(Response):
    gitCommit: str  # noqa: N815
    gitDirty: bool  # noqa: N815
    engineVersion: str  # noqa: N815
    createdAt: str  # noqa: N815


class Outputs(Response):
    trades: str = ABSENT
    metrics: str = ABSENT
    curves: str = ABSENT
    diagnostics: str = ABSENT


class Execution(Response):
    startedAt: str  # noqa: N815
    completedAt: str = ABSENT  # noqa: N815
    duration: float = ABSENT
    error: str = ABSENT


class Experiment(Response):
    experimentId: str  # noqa: N815
    name: str
    description: str = ABSENT
    inputs: ExperimentInputs
    config: ExperimentConfig
    provenance: Provenance
    status: Literal["pending", "running", "completed", "failed", "cancelled"]
    outputs: Outputs = ABSENT
    execution: Execution = ABSENT


class Success(Response):
    success: bool


class Health(Response):
    available: bool


ARTIFACT = TypeAdapter(Artifact)
ARTIFACTS = TypeAdapter(list[Artifact])
BATCH = TypeAdapter(list[Artifact | None])
PUBLISH_RESULT = TypeAdapter(PublishArtifactResult)
LINEAGE = TypeAdapter(ArtifactLineage)
EXPERIMENT = TypeAdapter(Experiment)
EXPERIMENTS = TypeAdapter(list[Experiment])
SUCCESS = TypeAdapter(Success)
HEALTH = TypeAdapter(Health)
