"""The provenance that an experiment records if it is made now: the code and the surroundings that run."""

from __future__ import annotations

from quantlab_core.artifacts.timestamp_text import format_timestamp
from quantlab_core.experiments.experiment import ExperimentProvenance
from quantlab_core.simulation.engine_version import ENGINE_VERSION
from quantlab_resources.lab import Lab


def running_provenance(lab: Lab) -> ExperimentProvenance:
    """What is known of the code that runs and of where it runs, in the form of an experiment's provenance."""
    code = lab.code_provenance
    version, patch = code.code_version(), code.code_patch()
    return ExperimentProvenance(
        git_commit=version.git_commit,
        git_dirty=version.git_dirty,
        engine_version=ENGINE_VERSION,
        created_at=format_timestamp(lab.clock.now()),
        patch_hash=None if patch is None else patch.sha256,
        environment=code.environment(),
        determinism=code.determinism(),
    )
