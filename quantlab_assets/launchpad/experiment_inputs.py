"""What jobs that make an experiment are told about its inputs, and what they tell of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from quantlab_assets.launchpad.launched_runs import artifact_counts, given_days
from quantlab_core.errors import ConflictError, InvalidInputError
from quantlab_core.experiments.experiment import ExperimentStatus

if TYPE_CHECKING:
    from quantlab_assets.workflows.lake_runs import LakeRuns
    from quantlab_core.experiments.experiment import Experiment


class ExperimentInputsConfig(dg.Config):
    """What is frozen, and whether it is run; without a word, all current alerts and candles."""

    alerts: list[str] = Field(
        default=[], description="Ids of alerts artifacts or frozen sets of them; none: all current alerts."
    )
    candles: list[str] = Field(
        default=[], description="Ids of candle artifacts or frozen sets of them; none: all current series."
    )
    first_day: str | None = Field(
        default=None, description="Freeze only the alerts of the UTC days from this one (2025-05-01) to last_day."
    )
    last_day: str | None = Field(default=None, description="The last of these days, which is included.")
    experiment_id: str | None = Field(default=None, description="Its id; else it is made from name and definition.")
    execute: bool = Field(
        default=True, description="Run it at once and write its report; false only creates it, as pending."
    )


def inputs_of(config: ExperimentInputsConfig) -> dict[str, Any]:
    """The fields of `ExperimentRequest` that these are. Raises InvalidInputError."""
    from quantlab_resources.experiments.experiment_freezing import DaySelection

    days = given_days(config.first_day, config.last_day)
    if days is not None and config.alerts:
        raise InvalidInputError("alerts and first_day exclude each other; name the alerts by id or by day")
    return {
        "alerts": config.alerts,
        "ohlcv": config.candles,
        "selection": None if days is None else DaySelection(*days),
        "experiment_id": config.experiment_id,
    }


def run_if_asked(
    context: dg.OpExecutionContext, runs: LakeRuns, experiment: Experiment, config: ExperimentInputsConfig
) -> None:
    """Execute the experiment unless it shall stay as it is, and describe it as the output of the op.

    Where another process runs it already, that run is left alone. Raises as `execute_experiment`.
    """
    from quantlab_assets.workflows.execute_experiment import execute_experiment

    experiment_id = experiment.definition.experiment_id
    context.log.info(f"experiment {experiment_id} is {experiment.status}")
    if config.execute:
        try:
            execute_experiment(runs, experiment_id)
        except ConflictError as error:
            if runs.lab.experiments.get(experiment_id).status != ExperimentStatus.RUNNING:
                raise
            context.log.warning(f"not run here: {error}")
    context.add_output_metadata(_described(runs, runs.lab.experiments.get(experiment_id)))


def _described(runs: LakeRuns, experiment: Experiment) -> dict[str, Any]:
    from quantlab_assets.experiment_previews import metrics_preview, report_links
    from quantlab_resources.experiments.completed_results import result_table
    from quantlab_resources.experiments.journaled_state import results_mapping

    definition, outputs = experiment.definition, experiment.outputs
    report = runs.lab.paths.report(definition.experiment_id)
    facts: dict[str, Any] = {
        "experiment_id": definition.experiment_id,
        "status": experiment.status.value,
        "strategy": str(definition.config.strategy.get("name") or definition.name),
        "alert_set": definition.alert_set_id,
        "candle_set": definition.candle_set_id,
        "definition": experiment.definition_artifact_id,
    }
    if outputs is not None and outputs.metrics_artifact_id is not None:
        facts |= {f"{name}_artifact": artifact_id for name, artifact_id in results_mapping(outputs).items()}
        facts |= metrics_preview(result_table(runs.lab.artifacts, experiment, "metrics"))
        facts["results"] = dg.MetadataValue.asset(dg.AssetKey("experiment_metrics"))
    if report.exists():
        facts |= report_links(runs.lab, definition.experiment_id)
    return {**facts, **artifact_counts(runs)}
