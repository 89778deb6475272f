"""Before an experiment runs: its inputs are there, whole, and what was frozen. Superseded ones are, too."""

from __future__ import annotations

from quantlab_core.artifacts.any_version import read_newest
from quantlab_core.artifacts.artifact import ArtifactStatus
from quantlab_core.errors import IntegrityError, InvalidInputError
from quantlab_core.experiments.experiment import ExperimentDefinition
from quantlab_core.experiments.experiment_inputs import frozen_inputs
from quantlab_core.simulation.strategy import parse_strategy
from quantlab_core.strategies.strategy_table import strategy_hash, strategy_of
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.whole_artifacts import require_whole


def require_whole_inputs(store: ParquetArtifactStore, definition: ExperimentDefinition) -> None:
    """Check every frozen input of ``definition``, its bytes included; nothing is written.

    One line names the first input that cannot be used, and what to do. Raises ArtifactNotFoundError, InvalidInputError
    (withdrawn), ArtifactMissingError, ArtifactDamagedError, IntegrityError (other content than was frozen).
    """
    inputs = frozen_inputs(store, definition)
    others = (definition.caller_aliases_id, definition.strategy_id)
    pinned = [store.get_artifact(artifact_id) for artifact_id in others if artifact_id is not None]
    for artifact in pinned:
        if artifact.status is ArtifactStatus.TOMBSTONED:
            raise InvalidInputError(
                f"{artifact.artifact_id} ({artifact.logical_key}), an input of the experiment, was withdrawn; nothing "
                "was simulated, create the experiment again without it"
            )
    members = [*pinned, *inputs.alert_members, *inputs.candle_members]
    try:
        require_whole(store, [member.artifact_id for member in members])
    except IntegrityError as error:
        raise type(error)(
            f"an input of the experiment cannot be used: {error}; nothing was simulated, execute it again once "
            "the file is restored"
        ) from error
    if definition.strategy_id is not None:
        published = strategy_of(read_newest(store, store.get_artifact(definition.strategy_id)))
        if strategy_hash(published) != strategy_hash(parse_strategy(definition.config.strategy)):
            raise IntegrityError(
                f"the strategy of experiment {definition.experiment_id} is not that of {definition.strategy_id}, "
                "which it names; nothing was simulated, see `quantlab lake verify`"
            )
