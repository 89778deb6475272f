"""All artifact types that quantlab knows, collected from the capabilities that declare them.

To add one: declare it in its capability's ``artifact_types.py`` and add that module's tuple here if it is a new module.
"""

from __future__ import annotations

from quantlab_core.alerts.artifact_types import ALERT_TYPES
from quantlab_core.alerts.earlier_types import EARLIER_ALERT_TYPES
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.artifact_types import SHARED_TYPES
from quantlab_core.artifacts.logical_key import parse_key
from quantlab_core.candles.artifact_types import CANDLE_TYPES
from quantlab_core.candles.earlier_types import EARLIER_CANDLE_TYPES
from quantlab_core.coverage.artifact_types import COVERAGE_TYPES
from quantlab_core.errors import SchemaError
from quantlab_core.experiments.artifact_types import EXPERIMENT_TYPES
from quantlab_core.experiments.earlier_types import EARLIER_EXPERIMENT_TYPES
from quantlab_core.experiments.verification.artifact_types import VERIFICATION_TYPES
from quantlab_core.leaderboards.artifact_types import LEADERBOARD_TYPES
from quantlab_core.projections.artifact_types import PROJECTION_TYPES
from quantlab_core.strategies.artifact_types import STRATEGY_TYPES

ARTIFACT_TYPES: tuple[ArtifactType, ...] = (
    *SHARED_TYPES,
    *EARLIER_ALERT_TYPES,
    *ALERT_TYPES,
    *EARLIER_CANDLE_TYPES,
    *CANDLE_TYPES,
    *COVERAGE_TYPES,
    *PROJECTION_TYPES,
    *STRATEGY_TYPES,
    *EARLIER_EXPERIMENT_TYPES,
    *EXPERIMENT_TYPES,
    *LEADERBOARD_TYPES,
    *VERIFICATION_TYPES,
)

_BY_NAME_AND_VERSION = {(spec.name, spec.version): spec for spec in ARTIFACT_TYPES}


def artifact_type(name: str, version: int) -> ArtifactType:
    """The specification of (name, version). Raises SchemaError when it is not registered."""
    spec = _BY_NAME_AND_VERSION.get((name, version))
    if spec is None:
        known = ", ".join(sorted(f"{n}/v{v}" for n, v in _BY_NAME_AND_VERSION))
        raise SchemaError(f"artifact type {name}/v{version} is not registered; known types: {known}")
    return spec


def find_artifact_type(name: str, version: int) -> ArtifactType | None:
    """The specification of (name, version), or None when it is not registered."""
    return _BY_NAME_AND_VERSION.get((name, version))


def owning_asset(spec: ArtifactType, logical_key: str) -> str:
    """The Dagster asset that an artifact belongs to: each artifact belongs to exactly one."""
    if isinstance(spec.asset, str):
        return spec.asset
    return spec.asset[parse_key(spec, logical_key)[spec.key_parts[0]]]
