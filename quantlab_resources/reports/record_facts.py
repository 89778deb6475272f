"""Where a result comes from: the artifacts that it was made from and became, the code, and the environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from quantlab_core.experiments.experiment import Experiment, ExperimentProvenance, ExperimentResults

_NAMES = {
    "git_commit": "commit",
    "git_dirty": "uncommitted changes",
    "engine_version": "engine",
    "created_at": "frozen at",
}
_NO_PINS = ("experiment_id",)


def lineage_facts(experiment: Experiment) -> list[tuple[str, str]]:
    """Ids of the definition and of everything that it pins."""
    definition = experiment.definition
    pinned = [
        (_words(field.name.removesuffix("_id")), getattr(definition, field.name))
        for field in fields(definition)
        if field.name.endswith("_id") and field.name not in _NO_PINS
    ]
    return [
        ("experiment", definition.experiment_id),
        ("definition", experiment.definition_artifact_id),
        *((name, artifact_id or "none") for name, artifact_id in pinned),
    ]


def output_facts(results: ExperimentResults | None) -> list[tuple[str, str]]:
    """Ids of the results; those that the experiment does not have are left out."""
    if results is None:
        return []
    ids = [(_words(field.name.removesuffix("_artifact_id")), getattr(results, field.name)) for field in fields(results)]
    return [(name, artifact_id) for name, artifact_id in ids if artifact_id]


def environment_facts(provenance: ExperimentProvenance) -> list[tuple[str, str]]:
    """All that is recorded of the code and where it ran. Uncommitted changes are named by their hash, never shown."""
    return list(_flat(provenance))


def _flat(record: Any) -> Iterator[tuple[str, str]]:
    for field in fields(record):
        yield from _lines(_NAMES.get(field.name, _words(field.name)), getattr(record, field.name))


def _lines(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, bool):
        yield name, "yes" if value else "no"
    elif is_dataclass(value):
        yield from _flat(value)
    elif isinstance(value, Mapping):
        for key, one in sorted(value.items()):
            yield from _lines(f"{name}: {key}", one)
    else:
        yield name, str(value)


def _words(name: str) -> str:
    return name.replace("_", " ")
