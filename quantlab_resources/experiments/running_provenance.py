"""The provenance that an experiment would record if it were made now: the code and the surroundings that run."""

from __future__ import annotations

from quantlab_core.artifacts.timestamp_text import format_timestamp
from quantlab_core.experiments.experiment import ExperimentProvenance
from quantlab_core.simulation.engine_version import ENGINE_VERSION
from quantlab_resources.lab import Lab


def running_provenance(lab: Lab) -> ExperimentProvenance:
    """What is known of the code that runs, in the form of an experiment's provenance."""
    code = lab.code_provenance.code_version()
    return ExperimentProvenance(
        code.git_commit, code.git_dirty, ENGINE_VERSION, created_at=format_timestamp(lab.clock.now())
    )
