"""An experiment run again from its frozen definition, and compared with what is on record; nothing on record changes.

Candles are read from the artifacts' verified bytes into a pack of this run's own: a pack in the cache may have been
made by other code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from quantlab_core.artifacts.artifact import Artifact, ArtifactStatus
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.artifacts.content_hash import hash_of_normal_form
from quantlab_core.artifacts.frozen_set import set_members
from quantlab_core.artifacts.table_normal_form import to_normal_form
from quantlab_core.errors import ArtifactDamagedError, ArtifactMissingError, ConflictError, QuantlabError
from quantlab_core.experiments.artifact_types import EXPERIMENT_OUTCOME
from quantlab_core.experiments.execute_experiment import simulated_tables
from quantlab_core.experiments.experiment import Experiment, ExperimentDefinition, ExperimentProvenance
from quantlab_core.experiments.experiment_identity import encode_definition
from quantlab_core.experiments.experiment_outputs import OUTPUTS, ExperimentOutput, experiment_outputs
from quantlab_core.experiments.verification.reproduction import (
    DEFAULT_TOLERANCE,
    InputState,
    OutputComparison,
    ReproducedOutput,
    Reproduction,
    SurroundingFact,
    check_tolerance,
    compared_output,
    surrounding_facts,
    unchecked_output,
    whole_inputs,
)
from quantlab_core.projections.candle_packs import CandlePacks
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.files.parquet_files import sha256_of, to_parquet
from quantlab_resources.experiments.running_provenance import running_provenance
from quantlab_resources.lab import Lab
from quantlab_resources.projections.candle_pack_projection import CandlePackFiles

_NO_FACTS_OF_SURROUNDINGS = ("createdAt", "patchArtifactId")
"""What a provenance says that is no property of code or environment."""


def reproduced(lab: Lab, experiment: Experiment, *, tolerance: float = DEFAULT_TOLERANCE) -> Reproduction:
    """Run ``experiment`` again and compare every output. What cannot be run again is a verdict, not an error.

    Raises ConflictError for an experiment without results, InvalidInputError for a tolerance that is none.
    """
    check_tolerance(tolerance)
    definition = experiment.definition
    recorded = recorded_outputs(lab, experiment)
    outputs, reason = _outputs_again(lab, definition)
    comparisons = tuple(
        unchecked_output(name, artifact, reason)
        if outputs is None
        else _compared(lab.artifacts, name, artifact, outputs[name], tolerance)
        for name, artifact in recorded.items()
    )
    states = _input_states(lab.artifacts, definition, are_read=outputs is not None)
    surroundings = _surroundings(lab, experiment)
    return Reproduction(
        definition.experiment_id,
        tolerance,
        comparisons,
        tuple(state for state in states if state.state != "whole"),
        surroundings,
        _unchecked(reason, states, surroundings),
    )


def recorded_outputs(lab: Lab, experiment: Experiment) -> dict[str, Artifact]:
    """The result artifacts by name. Raises ConflictError where the experiment has not got all of them."""
    is_sweep = experiment.definition.config.is_sweep
    ids = {
        name: getattr(experiment.outputs, f"{name}_artifact_id", None)
        for name in OUTPUTS
        if is_sweep or name != "parameter_sets"
    }
    if None in ids.values():
        raise ConflictError(
            f"experiment {experiment.definition.experiment_id} is {experiment.status} and has no results; "
            f"`quantlab experiments execute {experiment.definition.experiment_id}` makes them"
        )
    return {name: lab.artifacts.get_artifact(str(artifact_id)) for name, artifact_id in ids.items()}


@contextmanager
def packs_of_this_run(store: ParquetArtifactStore) -> Iterator[CandlePacks]:
    """Candle packs that are made from the artifacts' bytes now, in a temporary folder that is gone afterwards."""
    with TemporaryDirectory(prefix="quantlab-candles-") as folder:
        yield CandlePackFiles(store, Path(folder))


def _outputs_again(lab: Lab, definition: ExperimentDefinition) -> tuple[dict[str, ExperimentOutput] | None, str]:
    """What the definition gives now; or None and why it gives nothing."""
    try:
        with packs_of_this_run(lab.artifacts) as packs:
            tables = simulated_tables(definition, lab.artifacts, packs)
        return experiment_outputs(definition.experiment_id, tables), ""
    except QuantlabError as error:
        return None, str(error)


def _compared(
    store: ParquetArtifactStore, name: str, recorded: Artifact, output: ExperimentOutput, tolerance: float
) -> OutputComparison:
    normal = to_normal_form(output.table, output.spec)
    again = ReproducedOutput(
        output.spec,
        normal,
        hash_of_normal_form(normal, output.spec),
        sha256_of(to_parquet(normal, output.spec, output.logical_key)),
    )
    found: pa.Table | str = "it was not needed"
    if recorded.content_hash != again.content_hash:
        try:
            found = store.read(recorded.artifact_id)
        except QuantlabError as error:
            found = str(error)
    return compared_output(name, recorded, found, again, tolerance=tolerance)


def _input_states(store: ParquetArtifactStore, definition: ExperimentDefinition, *, are_read: bool) -> list[InputState]:
    """The state of every pinned artifact and every member of a frozen set.

    ``are_read`` says that all of them were read, and found whole, a moment ago; else each is read now.
    """
    states: list[InputState] = []
    for pinned_id in definition.pinned_ids:
        pinned = store.get_artifacts([pinned_id])[0]
        if pinned is None:
            states.append(InputState(pinned_id, "missing", "the manifest does not know it"))
            continue
        state = _state(store, pinned, None, are_read=are_read)
        states.append(state)
        if pinned.artifact_type == ARTIFACT_SET.name and state.state in {"whole", "superseded", "withdrawn"}:
            states.extend(_member_states(store, pinned, are_read=are_read))
    return states


def _member_states(store: ParquetArtifactStore, frozen_set: Artifact, *, are_read: bool) -> list[InputState]:
    try:
        members = set_members(store, frozen_set)
    except QuantlabError as error:
        return [InputState(frozen_set.artifact_id, "unreadable", str(error))]
    frozen_hashes: Sequence[Any] = store.read(frozen_set.artifact_id).column("content_hash").to_pylist()
    return [
        _state(store, member, str(frozen_hash), are_read=are_read)
        for member, frozen_hash in zip(members, frozen_hashes, strict=True)
    ]


def _state(store: ParquetArtifactStore, artifact: Artifact, frozen_hash: str | None, *, are_read: bool) -> InputState:
    if frozen_hash is not None and artifact.content_hash != frozen_hash:
        return InputState(artifact.artifact_id, "changed", f"{frozen_hash} was frozen, it has {artifact.content_hash}")
    if not are_read:
        try:
            store.read(artifact.artifact_id)
        except ArtifactMissingError as error:
            return InputState(artifact.artifact_id, "missing", str(error))
        except ArtifactDamagedError as error:
            return InputState(artifact.artifact_id, "damaged", str(error))
        except QuantlabError as error:
            return InputState(artifact.artifact_id, "unreadable", str(error))
    if artifact.status is ArtifactStatus.TOMBSTONED:
        return InputState(artifact.artifact_id, "withdrawn", f"{artifact.logical_key} was withdrawn")
    if artifact.status is ArtifactStatus.SUPERSEDED:
        return InputState(artifact.artifact_id, "superseded", f"{artifact.logical_key} has newer content since")
    return InputState(artifact.artifact_id, "whole")


def _surroundings(lab: Lab, experiment: Experiment) -> tuple[SurroundingFact, ...]:
    """Code and environment: those that the definition records, and who published the results, beside those of now."""
    definition, now = experiment.definition, running_provenance(lab)
    facts = surrounding_facts(_document(definition, definition.provenance), _document(definition, now))
    outcome_id = None if experiment.outputs is None else experiment.outputs.outcome_artifact_id
    for publication in lab.artifacts.publications(outcome_id)[:1] if outcome_id is not None else ():
        writer = publication.writer
        recorded = {"gitCommit": writer.git_commit, "gitDirty": writer.git_dirty}
        present = {"gitCommit": now.git_commit, "gitDirty": now.git_dirty}
        facts += surrounding_facts({EXPERIMENT_OUTCOME.name: recorded}, {EXPERIMENT_OUTCOME.name: present})
    return facts


def _document(definition: ExperimentDefinition, provenance: ExperimentProvenance) -> dict[str, Any]:
    text = encode_definition(replace(definition, provenance=provenance))
    document: dict[str, Any] = json.loads(text)["provenance"]
    return {name: value for name, value in document.items() if name not in _NO_FACTS_OF_SURROUNDINGS}


def _unchecked(reason: str, states: Sequence[InputState], surroundings: Sequence[SurroundingFact]) -> dict[str, str]:
    """What the verdict does not claim, by topic."""
    unchecked = {"outputs": f"nothing was simulated: {reason}"} if reason else {}
    unchecked["inputs"] = f"{whole_inputs(states)}; how they came about was not checked (`quantlab artifacts lineage`)"
    if not any(fact.recorded is not None and fact.name.startswith("environment.") for fact in surroundings):
        unchecked["environment"] = (
            "the definition records no Python, packages or lock file; whether those of now are the same is not known"
        )
    unchecked["machines"] = "one run on this machine; that another machine gives the same was not tried"
    return unchecked
