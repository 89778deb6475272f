"""The operations of `experiment_tracker_ops`: each takes the request's fields and returns what is written as JSON.

Names, fields and answers are the requirements'. What only asks loads nothing heavier than Arrow, as which definitions
are stored; what writes brings the DuckDB index up to date, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from quantlab_cli.json_answer import Operation, answer_with, health_check
from quantlab_cli.json_request import JsonRequest
from quantlab_cli.json_shapes import Json, experiment_json
from quantlab_core.errors import ConflictError, InvalidInputError
from quantlab_core.experiments.experiment import (
    DateRange,
    Experiment,
    ExperimentFilter,
    ExperimentProvenance,
    ExperimentResults,
    ExperimentStatus,
)
from quantlab_resources.lab import Lab
from quantlab_resources.lake_paths import LakePaths

if TYPE_CHECKING:
    from quantlab_resources.experiments.experiment_freezing import ExperimentRequest

DEFAULT_LIMIT = 100
MAX_LIMIT = 100_000
UNBOUNDED = {"from": "0001-01-01", "to": "9999-12-31"}
"""Stands for a bound that an experiment does not have: clients need both. Given in a definition, it means the same."""


def answer(document: Mapping[str, Any]) -> Any:
    """The answer to one request. Raises what the operation raises, InvalidInputError for a request that is none."""
    return answer_with(OPERATIONS, document, _lab)


def create_experiment(lab: Lab, request: JsonRequest) -> Json:
    """``Experiment``: inputs are frozen and the definition is on record as pending; one that is equal is returned."""
    from quantlab_resources.experiments.experiment_freezing import freeze_experiment

    frozen = freeze_experiment(lab, _definition(lab, JsonRequest(request.mapping("definition"), "the definition")))
    if frozen.existing is not None:
        return _answered(frozen.existing)
    experiment = lab.experiments.create(frozen.definition)
    lab.experiment_index.sync()
    return _answered(experiment)


def get_experiment(lab: Lab, request: JsonRequest) -> Json:
    """``Experiment``."""
    return _answered(lab.experiments.get(request.text("experiment_id")))


def list_experiments(lab: Lab, request: JsonRequest) -> list[Json]:
    """``Experiment[]``, newest first."""
    wanted = _filter(JsonRequest(request.mapping("filter", default={}), "the filter"))
    return [_answered(experiment) for experiment in lab.experiments.list(wanted)]


def update_status(lab: Lab, request: JsonRequest) -> Json:
    """``{"success": true}``; a change that is not allowed is an error, and so is ``completed`` without results."""
    from quantlab_resources.experiments.experiment_lock import begin_outside_attempt

    experiment_id, status = request.text("experiment_id"), _status(request.text("status"))
    experiment = lab.experiments.get(experiment_id)
    if status is ExperimentStatus.RUNNING:
        begin_outside_attempt(lab.experiments, experiment_id, home=lab.paths.home)
    else:
        if status is ExperimentStatus.COMPLETED and experiment.status is ExperimentStatus.RUNNING:
            _require_results(experiment)
        lab.experiments.update_status(experiment_id, status, error=request.text("error", default=None))
    lab.experiment_index.sync()
    return {"success": True}


def store_results(lab: Lab, request: JsonRequest) -> Json:
    """``{"success": true}``; anything else is an error."""
    given = JsonRequest(request.mapping("results"), "the results")
    names = [field.name for field in dataclass_fields(ExperimentResults)]
    given.check_names(*names)
    results = ExperimentResults(**{name: given.text(name, default=None) for name in names})
    lab.experiments.store_results(request.text("experiment_id"), results)
    lab.experiment_index.sync()
    return {"success": True}


def find_by_input_artifacts(lab: Lab, request: JsonRequest) -> list[Json]:
    """``Experiment[]``, newest first, of those that used any of the artifacts; with ``match`` all, every one."""
    match = request.text("match", default="any")
    if match not in ("any", "all"):
        raise InvalidInputError(f"the request: match {match[:80]!a} is neither any nor all")
    found = lab.experiments.find_by_input_artifacts(request.texts("artifact_ids"), "all" if match == "all" else "any")
    return [_answered(experiment) for experiment in found]


OPERATIONS: Mapping[str, Operation] = {
    operation.__name__: operation
    for operation in (
        create_experiment,
        get_experiment,
        list_experiments,
        update_status,
        store_results,
        find_by_input_artifacts,
        health_check,
    )
}


def _lab(request: JsonRequest) -> Lab:
    """The lab of the lake that the request names by its index or its manifest, else of the one of the environment."""
    experiment_db = request.path("db_path", default=None)
    manifest_db = request.path("manifest_db", default=None)
    artifacts_root = request.path("artifacts_root", default=None)
    if manifest_db is None and artifacts_root is None:
        return Lab() if experiment_db is None else Lab(paths=LakePaths.of_experiment_db(experiment_db))
    named = Lab().paths if experiment_db is None else LakePaths.of_experiment_db(experiment_db)
    paths = LakePaths.of_manifest(manifest_db or named.manifest_db, artifacts_root)
    return Lab(paths=paths if experiment_db is None else replace(paths, experiment_db=named.experiment_db))


def _definition(lab: Lab, given: JsonRequest) -> ExperimentRequest:
    from quantlab_resources.experiments.experiment_freezing import ExperimentRequest

    inputs = JsonRequest(given.mapping("inputs"), "inputs")
    inputs.check_names("alerts", "ohlcv", "strategies", "caller_aliases")
    config = JsonRequest(given.mapping("config"), "config")
    config.check_names("strategy", "date_range", "params")
    bounds = JsonRequest(config.mapping("date_range", default={}), "dateRange")
    bounds.check_names("from", "to")
    strategy, strategy_ids = _strategy(lab, config.value("strategy"), inputs.texts("strategies", default=[]))
    return ExperimentRequest(
        name=given.text("name"),
        strategy=strategy,
        alerts=inputs.texts("alerts"),
        ohlcv=inputs.texts("ohlcv"),
        strategies=strategy_ids,
        date_range=DateRange(_bound(bounds, "from"), _bound(bounds, "to")),
        params=config.mapping("params", default={}),
        description=given.text("description", default=None),
        experiment_id=given.text("experiment_id", default=None),
        caller_aliases=inputs.text("caller_aliases", default=None),
        provenance=_provenance(given.mapping("provenance", default=None)),
    )


def _strategy(lab: Lab, given: Any, ids: list[str]) -> tuple[Mapping[str, Any] | None, list[str]]:
    """The mapping that was given, or what stands under the name that was given instead of one."""
    name = given.get("name") if isinstance(given, dict) and set(given) <= {"name", "description"} else given
    if ids and (name is None or name == {}):
        return None, ids
    if not isinstance(name, str):
        if not isinstance(given, dict):
            raise InvalidInputError("config: strategy must be an object, or the name or id of a known strategy")
        return given, ids
    if not ids:
        from quantlab_resources.strategies.chosen_strategy import strategy_fields

        named = strategy_fields(lab.artifacts, name)
        return named.get("strategy"), list(named.get("strategies", ()))
    from quantlab_core.simulation.strategy import strategy_mapping
    from quantlab_resources.strategies.known_strategies import find_strategy

    return strategy_mapping(find_strategy(lab.artifacts, name).strategy), ids


def _provenance(given: dict[str, Any] | None) -> ExperimentProvenance | None:
    from quantlab_core.artifacts.timestamp_text import parse_timestamp
    from quantlab_core.simulation.engine_version import ENGINE_VERSION

    if given is None:
        return None
    fields = JsonRequest(given, "provenance")
    created_at = fields.text("created_at")
    parse_timestamp(created_at)
    return ExperimentProvenance(
        git_commit=fields.text("git_commit"),
        git_dirty=fields.flag("git_dirty"),
        engine_version=fields.text("engine_version", default=ENGINE_VERSION),
        created_at=created_at,
    )


def _bound(bounds: JsonRequest, name: str) -> str | None:
    text = bounds.text(name, default=None)
    return None if text == UNBOUNDED[name] else text


def _filter(given: JsonRequest) -> ExperimentFilter:
    """Empty text counts as not given."""
    given.check_names("status", "artifact_type", "git_commit", "min_created_at", "max_created_at", "limit")
    status = given.text("status", default=None) or None
    limit = given.integer("limit", default=DEFAULT_LIMIT)
    if not 0 <= limit <= MAX_LIMIT:
        raise InvalidInputError(f"the filter: a limit of {limit} is not between 0 and {MAX_LIMIT}")
    return ExperimentFilter(
        status=None if status is None else _status(status),
        artifact_type=given.text("artifact_type", default=None) or None,
        git_commit=given.text("git_commit", default=None) or None,
        min_created_at=given.text("min_created_at", default=None) or None,
        max_created_at=given.text("max_created_at", default=None) or None,
        limit=limit,
    )


def _status(text: str) -> ExperimentStatus:
    if text not in list(ExperimentStatus):
        raise InvalidInputError(f"the status {text[:80]!a} is none of {', '.join(ExperimentStatus)}")
    return ExperimentStatus(text)


def _require_results(experiment: Experiment) -> None:
    if experiment.outputs is None:
        raise ConflictError(
            f"experiment {experiment.definition.experiment_id} has no results and cannot be completed; "
            "store_results names them"
        )


def _answered(experiment: Experiment) -> Json:
    document = experiment_json(experiment)
    document["config"]["dateRange"] = UNBOUNDED | document["config"]["dateRange"]
    return document
