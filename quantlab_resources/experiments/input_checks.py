"""Before an experiment runs: its inputs are what was frozen, and all their bytes are there and whole."""

from __future__ import annotations

from quantlab_core.errors import ArtifactDamagedError, ArtifactMissingError
from quantlab_core.experiments.experiment import ExperimentDefinition
from quantlab_core.experiments.experiment_inputs import frozen_inputs
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.whole_artifacts import require_whole


def require_whole_inputs(store: ParquetArtifactStore, definition: ExperimentDefinition) -> None:
    """`frozen_inputs` of ``definition``, and the bytes of each; nothing is written.

    One line names the first input that cannot be used, and what to do. Raises as `frozen_inputs`.
    """
    try:
        inputs = frozen_inputs(store, definition)
        require_whole(store, [artifact.artifact_id for artifact in inputs.read_apart])
    except (ArtifactMissingError, ArtifactDamagedError) as error:
        raise type(error)(
            f"an input of the experiment cannot be used: {error}; nothing was simulated, execute it again once "
            "the file is restored"
        ) from error
