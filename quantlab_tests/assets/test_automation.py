"""Checks, queue and schedules over one small lake: what people see, what is run, and what is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from quantlab_assets.automation.experiment_queue import GRACE, MOST_RUNS, experiment_queue
from quantlab_assets.automation.freshness import freshness
from quantlab_assets.automation.open_windows import JOB, fetch_open_windows
from quantlab_assets.automation.verification import PARTS, part_of, verify_share_nightly
from quantlab_assets.definitions import build_defs
from quantlab_assets.experiments import RESULT_ASSETS
from quantlab_assets.workflows.create_experiment import create_experiment
from quantlab_assets.workflows.ingest_alerts import ingest_telegram_export
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_cli.dagster_instance import dagster_instance
from quantlab_core.experiments.experiment import ExperimentStatus
from quantlab_resources.artifacts.upkeep.staleness import stale
from quantlab_resources.dagster_io.lab_resource import LabResource
from quantlab_resources.freshness.lake_freshness import UPSTREAM
from quantlab_resources.lab import Lab
from quantlab_tests.assets.badges import out_of_sync
from quantlab_tests.assets.daemon import Daemon
from quantlab_tests.assets.small_inputs import DAY_S, write_export
from quantlab_tests.assets.small_research import HEN, hold_1h, small_research
from quantlab_tests.core.alerts.invented_chat import exported, mint

AT_FIVE = datetime(2026, 11, 22, 5, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeRuns]:
    with small_research(tmp_path_factory.mktemp("automation")) as made:
        yield made


def evaluated(runs: LakeRuns, result: dg.SensorResult) -> dict[str, tuple[bool, str]]:
    """What a tick reported, put on record as the daemon does."""
    found: dict[str, tuple[bool, str]] = {}
    for event in result.asset_events:
        assert isinstance(event, dg.AssetCheckEvaluation)
        runs.instance.report_runless_asset_event(event)
        found[event.asset_key.to_user_string()] = (event.passed, str(event.description))
    return found


def test_a_created_experiment_is_run_and_stays_valid_when_new_data_comes(tmp_path: Path, runs: LakeRuns) -> None:
    experiment = create_experiment(runs, hold_1h())
    experiment_id = experiment.definition.experiment_id
    queue = Daemon(runs.lab, runs.instance, experiment_queue)
    assert queue.says() == "1 just created"
    queue.clock.ahead = GRACE
    (request,) = queue.tick().run_requests or []
    assert (request.partition_key, request.tags) == (experiment_id, {"quantlab/queue": "experiments"})
    assert queue.run(request, "run_queued_experiment").success
    assert runs.lab.experiments.get(experiment_id).status is ExperimentStatus.COMPLETED
    assert queue.says() == "no experiment is pending"

    judge = Daemon(runs.lab, runs.instance, freshness)
    reported = evaluated(runs, judge.tick())
    assert {asset for asset, (passed, _) in reported.items() if not passed} == set()
    assert judge.says() == "nothing changed"

    export = write_export(tmp_path / "more.json", exported(40, mint("bee"), at=3 * DAY_S))
    ingest_telegram_export(runs, export)
    reported = evaluated(runs, judge.tick())
    assert reported["ohlcv_slices"] == (False, "1 of 4 are not current (1 never made): 1 newer inputs")
    assert reported["research_projection"][1] == "not current: 1 replaced inputs; upstream not current: ohlcv_slices"

    result = (
        build_defs(home=str(runs.lab.paths.home))
        .resolve_job_def("check_freshness")
        .execute_in_process(instance=runs.instance)
    )
    checks = {one.asset_key.to_user_string(): one for one in result.get_asset_check_evaluations()}
    assert set(checks) == set(UPSTREAM)
    assert not checks["ohlcv_slices"].passed
    assert checks["ohlcv_slices"].severity is dg.AssetCheckSeverity.WARN
    assert checks["alert_set"].passed

    assert stale(runs.lab.artifacts).experiment_count == 0
    assert not {asset for asset, _ in out_of_sync(runs.instance)} & set(RESULT_ASSETS)
    assert runs.lab.experiments.get(experiment_id).status is ExperimentStatus.COMPLETED


def test_what_failed_is_not_run_again_and_what_never_began_is_given_up(runs: LakeRuns) -> None:
    experiment = create_experiment(runs, hold_1h("never began"))
    experiment_id = experiment.definition.experiment_id
    queue = Daemon(runs.lab, runs.instance, experiment_queue)
    queue.clock.ahead = GRACE
    job = dg.job(name="run_queued_experiment")(lambda: None)
    for _ in range(MOST_RUNS):
        (request,) = queue.tick().run_requests or []
        tags = {"dagster/run_key": str(request.run_key)}
        run = runs.instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
        assert queue.says() == "1 in a run"
        runs.instance.report_run_failed(run)
    assert queue.says() == f"1 left alone after 3 runs that ended before they began: {experiment_id}"

    runs.lab.experiments.update_status(experiment_id, ExperimentStatus.RUNNING)
    runs.lab.experiments.update_status(experiment_id, ExperimentStatus.FAILED, error="the inputs are damaged")
    assert queue.says() == "no experiment is pending"


def schedule_tick(
    schedule: dg.ScheduleDefinition, lab: Lab, instance: dg.DagsterInstance, at: datetime
) -> dg.RunRequest | dg.SkipReason:
    with dg.build_schedule_context(
        instance=instance, scheduled_execution_time=at, resources={"lab": LabResource(home=str(lab.paths.home))}
    ) as context:
        found = schedule(context)
    assert isinstance(found, dg.RunRequest | dg.SkipReason)
    return found


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance that schedules can open by its reference."""
    with dagster_instance(tmp_path / "lake") as made:
        yield made


def test_slices_that_lack_minutes_are_asked_for_again_and_a_dead_source_once_a_day(
    runs: LakeRuns, on_disk: dg.DagsterInstance
) -> None:
    """Hen has no candles at all."""
    assert runs.lab.artifacts.heads("ohlcv_slice_v2", f"token={HEN}/") == []
    found = schedule_tick(fetch_open_windows, runs.lab, on_disk, AT_FIVE)
    assert isinstance(found, dg.RunRequest)
    assert "slices" in found.tags["quantlab/due"]
    job = dg.job(name=JOB)(lambda: None)
    for _ in range(3):
        on_disk.create_run_for_job(job, status=dg.DagsterRunStatus.FAILURE)
    at_five = schedule_tick(fetch_open_windows, runs.lab, on_disk, AT_FIVE)
    assert isinstance(at_five, dg.SkipReason)
    assert "the last 3 runs failed" in str(at_five.skip_message)
    at_four = schedule_tick(fetch_open_windows, runs.lab, on_disk, AT_FIVE - timedelta(hours=1))
    assert isinstance(at_four, dg.RunRequest)


def test_every_file_is_verified_once_in_so_many_nights_and_damage_fails_the_run_in_plain_words(runs: LakeRuns) -> None:
    nights = [date(2026, 1, 1) + timedelta(days=number) for number in range(PARTS)]
    assert sorted(map(part_of, nights)) == list(range(1, PARTS + 1))
    request = schedule_tick(verify_share_nightly, runs.lab, runs.instance, AT_FIVE)
    assert isinstance(request, dg.RunRequest)
    assert request.run_config == {
        "ops": {"verify_files": {"config": {"part": part_of(AT_FIVE.date()), "parts": PARTS}}}
    }

    damaged = runs.lab.artifacts.heads("token_calls_v1")[0]
    path = Path(damaged.path_parquet)
    kept = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(kept[:-1] + b"?")
    job = build_defs(home=str(runs.lab.paths.home)).resolve_job_def("verify_share")
    config = {"ops": {"verify_files": {"config": {"parts": 1}}}}
    result = job.execute_in_process(run_config=config, instance=runs.instance, raise_on_error=False)
    (failure,) = result.get_step_failure_events()
    said = str(failure.step_failure_data.user_failure_data.description)
    assert said.startswith("1 files of part 1/1 are damaged or missing, and")
    assert path.name in said
    assert "`quantlab lake verify --subset 1/1` lists all" in said
    path.write_bytes(kept)
    assert job.execute_in_process(run_config=config, instance=runs.instance).success


def test_schedules_wait_for_a_lake(tmp_path: Path, on_disk: dg.DagsterInstance) -> None:
    for schedule in (fetch_open_windows, verify_share_nightly):
        found = schedule_tick(schedule, Lab(tmp_path / "none"), on_disk, AT_FIVE)
        assert isinstance(found, dg.SkipReason)
        assert found.skip_message == "there is no lake yet"
