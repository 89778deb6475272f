"""Assets of the group ``leaderboards``: callers of one experiment, and all experiments, by what is likely to hold."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from quantlab_assets.artifact_asset import Step, Upstream, artifact_asset
from quantlab_core.artifacts.any_version import key_parts_of
from quantlab_core.artifacts.frozen_set import CURRENT
from quantlab_core.errors import ExperimentNotFoundError
from quantlab_core.experiments.experiment import ExperimentFilter, ExperimentStatus
from quantlab_core.leaderboards.artifact_types import CALLER_LEADERBOARD, EXPERIMENT_LEADERBOARD
from quantlab_core.leaderboards.board_experiment import board_experiment
from quantlab_core.leaderboards.caller_statistics import caller_board
from quantlab_core.leaderboards.experiment_leaderboard import experiment_leaderboard as board_of
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft

GROUP = "leaderboards"
MOST_SHOWN = 50
COMPLETED = ExperimentFilter(status=ExperimentStatus.COMPLETED, limit=None)


@artifact_asset(
    name="caller_leaderboard",
    specs=[CALLER_LEADERBOARD],
    group=GROUP,
    code_version="1",
    inputs={
        "trades": Upstream("experiment_trades", dg.AllPartitionMapping()),
        "metrics": Upstream("experiment_metrics", dg.AllPartitionMapping()),
    },
    config_schema={
        "experiment": dg.Field(
            str, is_required=False, description="id of the experiment; default: the newest that only holds"
        )
    },
)
def caller_leaderboard(step: Step) -> Iterator[ArtifactDraft]:
    """Made from the trades of one completed experiment: the one that is named, else the newest that only holds."""
    experiment_id = step.config.get("experiment")
    if experiment_id is None:
        experiment_id = board_experiment(step.lab.experiments.list(COMPLETED)).definition.experiment_id
    found = [step[name].with_key(experiment=experiment_id) for name in ("trades", "metrics")]
    if not all(found):
        raise ExperimentNotFoundError(
            f"experiment {experiment_id} has no results; `quantlab experiments execute {experiment_id}` computes them"
        )
    trades, metrics = (heads[0] for heads in found)
    table = caller_board(step["trades"].read(trades), step["metrics"].read(metrics))
    yield ArtifactDraft(
        CALLER_LEADERBOARD,
        {"selection": CURRENT},
        table,
        inputs=[trades.artifact_id, metrics.artifact_id],
        tags={"experiment_id": experiment_id},
        preview={"callers": dg.MetadataValue.int(table.num_rows)},
    )


@artifact_asset(
    name="experiment_leaderboard",
    specs=[EXPERIMENT_LEADERBOARD],
    group=GROUP,
    code_version="1",
    inputs={"metrics": Upstream("experiment_metrics", dg.AllPartitionMapping())},
)
def experiment_leaderboard(step: Step) -> Iterator[ArtifactDraft]:
    """Made from the metrics of all completed experiments; a sweep stands there with its chosen set."""
    completed = {one.definition.experiment_id for one in step.lab.experiments.list(COMPLETED)}
    heads = {(key_parts_of(head) or {}).get("experiment", ""): head for head in step["metrics"].all()}
    used = {experiment_id: head for experiment_id, head in heads.items() if experiment_id in completed}
    table = board_of({experiment_id: step["metrics"].read(head) for experiment_id, head in used.items()})
    yield ArtifactDraft(
        EXPERIMENT_LEADERBOARD,
        {"selection": CURRENT},
        table,
        inputs=[head.artifact_id for head in used.values()],
        preview={"experiments": dg.MetadataValue.int(table.num_rows)},
    )


LEADERBOARD_ASSETS = (caller_leaderboard, experiment_leaderboard)
