"""An experiment on record is checked: run again, or audited for look-ahead; what is found is an artifact."""

from __future__ import annotations

from typing import Any

from quantlab_assets.partitions import EXPERIMENTS, add_partitions
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.logical_key import format_key
from quantlab_core.experiments.verification.artifact_types import EXPERIMENT_REPRODUCTION, LOOKAHEAD_AUDIT
from quantlab_core.experiments.verification.reproduction import DEFAULT_TOLERANCE, check_tolerance
from quantlab_resources.experiments.experiment_rerun import recorded_outputs


def reproduce_experiment(runs: LakeRuns, experiment_id: str, *, tolerance: float = DEFAULT_TOLERANCE) -> Artifact:
    """Run the experiment again; the artifact with the verdict.

    Raises ExperimentNotFoundError, ConflictError (no results to compare with), InvalidInputError (tolerance).
    """
    check_tolerance(tolerance)
    return _checked(
        runs, f"Running {experiment_id} again", EXPERIMENT_REPRODUCTION, experiment_id, {"tolerance": tolerance}
    )


def audit_lookahead(
    runs: LakeRuns, experiment_id: str, *, calls: int | None = 100, instants: int = 8, seed: int = 0
) -> Artifact:
    """Audit the experiment's trades for look-ahead; the artifact with what was found. ``calls`` None looks at all.

    Raises ExperimentNotFoundError, ConflictError (no results, another engine), IntegrityError, InvalidInputError.
    """
    config = {"calls": -1 if calls is None else calls, "instants": instants, "seed": seed}
    return _checked(runs, f"Auditing {experiment_id}", LOOKAHEAD_AUDIT, experiment_id, config)


def _checked(runs: LakeRuns, title: str, spec: ArtifactType, experiment_id: str, config: dict[str, Any]) -> Artifact:
    lab = runs.lab
    recorded_outputs(lab, lab.experiments.get(experiment_id))
    add_partitions(runs.instance, EXPERIMENTS, [experiment_id])
    asset = str(spec.asset)
    runs.materialize_partition(title, [asset], experiment_id, config={"ops": {asset: {"config": config}}})
    key = format_key(spec, {"experiment": experiment_id})
    return next(head for head in lab.artifacts.heads(spec.name, key) if head.logical_key == key)
