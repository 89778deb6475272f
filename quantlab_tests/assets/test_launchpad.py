"""The launchpad: jobs with typed run config do what the commands do, and refuse in one line what cannot be meant."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from quantlab_assets.definitions import build_defs
from quantlab_assets.launchpad.import_candles import PriceUnit, Resolution, Source, VolumeUnit
from quantlab_assets.launchpad.launchpad_jobs import LAUNCHPAD_JOBS
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.artifacts.artifact import ArtifactFilter
from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.simulation.presets import PRESETS
from quantlab_resources.candles.files.candle_declaration import AUTO, PRICE_UNITS, VOLUME_UNITS
from quantlab_resources.candles.files.formats.candle_formats import FORMATS
from quantlab_resources.lab import Lab
from quantlab_tests.assets.small_inputs import FIRST, minutes, write_candles, write_export
from quantlab_tests.assets.small_research import ELK, FOX, HOLD_1H, OWL, small_research
from quantlab_tests.core.alerts.invented_chat import exported

NAMES = [job.name for job in LAUNCHPAD_JOBS]
OPS = {job.name: job.nodes[0].name for job in LAUNCHPAD_JOBS}


def launch(
    runs: LakeRuns, job: str, config: dict[str, Any] | None = None
) -> tuple[dg.ExecuteInProcessResult, dict[str, Any]]:
    """The run as the UI starts it (without config: with what the launchpad shows), and the metadata of its output."""
    definition = definitions(str(runs.lab.paths.home)).resolve_job_def(job)
    run_config = dict(definition.run_config or {}) if config is None else {"ops": {OPS[job]: {"config": config}}}
    run_config["loggers"] = {"console": {"config": {"log_level": "CRITICAL"}}}
    result = definition.execute_in_process(run_config=run_config, instance=runs.instance, raise_on_error=False)
    outputs = [event for event in result.all_events if event.is_successful_output]
    metadata = outputs[0].step_output_data.metadata if outputs else {}
    return result, {name: value.value for name, value in metadata.items()}


@lru_cache(maxsize=1)
def definitions(home: str) -> dg.Definitions:
    return build_defs(home=home)


def fields_of(job: str) -> dict[str, Any]:
    """What Dagster knows of the run config of the job's op, as it shows it in the launchpad."""
    op: Any = definitions("lake").resolve_job_def(job).nodes[0].definition
    return dict(op.config_schema.config_type.fields)


def refusal(runs: LakeRuns, job: str, config: dict[str, Any]) -> str:
    """What the run says that failed, which is one line and changes nothing."""
    before = stored(runs.lab)
    result, _ = launch(runs, job, config)
    assert not result.success
    (failed,) = result.get_step_failure_events()
    told = failed.step_failure_data.user_failure_data
    assert told is not None, failed.step_failure_data.error_display_string
    assert stored(runs.lab) == before
    assert "\n" not in str(told.description)
    return str(told.description)


def stored(lab: Lab) -> set[str]:
    if not lab.paths.manifest_db.exists():
        return set()
    files = {str(path) for path in lab.paths.artifacts_root.rglob("*") if path.is_file()}
    return files | {found.artifact_id for found in lab.artifacts.list_artifacts(ArtifactFilter(limit=None)).artifacts}


@pytest.fixture(scope="module")
def researched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeRuns]:
    with small_research(tmp_path_factory.mktemp("launchpad")) as runs:
        yield runs


@pytest.fixture
def runs(tmp_path: Path, instance: dg.DagsterInstance) -> LakeRuns:
    """Of a lake that is not there yet."""
    return LakeRuns(Lab(tmp_path / "lake"), instance)


def test_an_export_and_a_candle_file_become_an_experiment_by_three_jobs_alone(runs: LakeRuns, tmp_path: Path) -> None:
    staging = runs.lab.paths.home / "staging"
    write_export(staging / "result.json", exported(10, OWL), exported(11, FOX, at=60, sender="bob"))
    ingested, told = launch(runs, "ingest_export")
    assert ingested.success
    assert (told["messages"], told["days"], told["alerts_on_its_days"]) == (2, 1, 2)
    assert [row.data["messages"] for row in told["what_became_of_them"].records] == [2]

    candles = write_candles(tmp_path / "bought.csv", {OWL: minutes([1.0, 2.0] * 60), FOX: minutes([3.0] * 120)})
    imported, told = launch(
        runs, "import_candles", {"file": str(candles), "resolution": "1m", "asked_from": FIRST, "asked_to": FIRST}
    )
    assert imported.success
    assert (told["candles"], told["tokens"], told["tokens_that_nobody_called"]) == (240, 2, 0)
    assert told["units"] == "price in usd, volume in usd"

    created, told = launch(runs, "create_experiment")
    assert created.success
    experiment = runs.lab.experiments.get(told["experiment_id"])
    assert (told["status"], told["strategy"]) == ("completed", "hold_24h")
    assert experiment.outputs is not None
    assert told["metrics_artifact"] == experiment.outputs.metrics_artifact_id
    assert told["n_trades"] == 2
    assert Path(told["report_file"]).read_text(encoding="utf-8").startswith("<!doctype html>")
    # Each asset ran under a run of its own, so the UI shows its partitions as materialized.
    assert runs.instance.get_materialized_partitions(dg.AssetKey("experiment_trades")) == {told["experiment_id"]}
    _, again = launch(runs, "create_experiment")
    assert (again["experiment_id"], again["new_artifacts"]) == (told["experiment_id"], 0)


def test_a_created_experiment_stays_pending_when_it_shall_not_run_yet(researched: LakeRuns) -> None:
    config = {"name": "later", "strategy": "", "strategy_values": HOLD_1H, "first_day": FIRST, "last_day": FIRST}
    _, told = launch(researched, "create_experiment", {**config, "execute": False})
    assert (told["status"], "report" in told, "n_trades" in told) == ("pending", False, False)
    _, told = launch(researched, "create_experiment", config)
    assert (told["status"], told["n_trades"]) == ("completed", 2)


def test_a_sweep_runs_as_the_launchpad_shows_it_and_from_a_file(researched: LakeRuns) -> None:
    _, told = launch(researched, "create_sweep")
    assert told["status"] == "completed"
    sets = researched.lab.artifacts.read(told["parameter_sets_artifact"])
    assert sets.num_rows == 4
    file = researched.lab.paths.home / "staging" / "stops.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"name": "stops", "strategy": HOLD_1H, "grid": {"stop_loss": [0.1, 0.2]}}), "utf-8")
    _, told = launch(researched, "create_sweep", {"file": "stops.json", "execute": False})
    assert (told["status"], told["strategy"]) == ("pending", "hold_1h")


def test_only_the_days_of_the_named_tokens_are_asked_for_again(researched: LakeRuns) -> None:
    store = researched.lab.artifacts
    asked = {head.logical_key: len(store.publications(head.artifact_id)) for head in store.heads("ohlcv_slice_v2")}
    result, told = launch(researched, "refetch_candles", {"tokens": [f"solana:{ELK}"]})
    assert result.success
    assert [row.data["day"] for row in told["days_asked_for"].records] == ["2025-05-02"]
    assert (told["revised_slices"], told["new_artifacts"]) == (0, 0)
    now = {head.logical_key: len(store.publications(head.artifact_id)) for head in store.heads("ohlcv_slice_v2")}
    assert {key for key in now if now[key] > asked[key]} == {key for key in now if ELK in key}
    assert "not found among the alerts from 2025-05-03" in refusal(
        researched, "refetch_candles", {"tokens": [ELK], "first_day": "2025-05-03"}
    )


@pytest.mark.parametrize(
    ("job", "config", "said"),
    [
        ("ingest_export", {"file": "none.json"}, "none.json not found on the machine that Dagster runs on; put the"),
        ("ingest_export", {"file": " "}, "' ' is no path; write the full path of a file"),
        ("ingest_export", {"file": "a\x00b"}, "is no path"),
        ("ingest_export", {"file": "/dev/zero"}, "/dev/zero is neither a file nor a folder"),
        ("ingest_export", {"file": "pipe"}, "pipe is neither a file nor a folder"),
        ("ingest_export", {"file": "text.json"}, "text.json"),
        (
            "ingest_export",
            {"file": "text.json", "only_day": "May"},
            "only_day: 'May' is no day; write it as 2025-05-01",
        ),
        ("ingest_export", {"file": {"env": "HOME"}}, "file: the launchpad reads no environment variables"),
        ("import_candles", {"file": "text.json", "asked_from": "2025-05-01"}, "declare asked_from and asked_to, or"),
        ("import_candles", {"file": "text.json", "fetched_at": "noon"}, "'noon' is not an ISO 8601 time"),
        ("refetch_candles", {"tokens": []}, "no token is named; list the addresses"),
        ("refetch_candles", {"tokens": ["<none>"]}, "token not found among the alerts: '<none>'"),
        ("refetch_candles", {"tokens": [{"env": "HOME"}]}, "tokens: the launchpad reads no environment variables"),
        ("create_experiment", {"strategy": "hold_42h"}, "hold_42h"),
        ("create_experiment", {"strategy": ""}, "no strategy is named; write hold_24h, or"),
        ("create_experiment", {"strategy": "/etc/none.yaml"}, "/etc/none.yaml not found"),
        ("create_experiment", {"strategy_values": {"name": "x", "stop_los": 1}}, "stop_los"),
        ("create_experiment", {"params": {"portfolio": {"stakes": 1}}}, "stakes"),
        ("create_experiment", {"first_day": FIRST}, "a range of days needs both first_day and last_day"),
        ("create_experiment", {"first_day": "2025-05-02", "last_day": FIRST}, "2025-05-02 is after last_day"),
        ("create_experiment", {"alerts": ["no-such-id"]}, "no-such-id"),
        ("create_experiment", {"experiment_id": "../up"}, "../up"),
        ("create_sweep", {"sweep": {"name": "x"}}, "strategy is required"),
        ("create_sweep", {"sweep": {"name": "x", "strategy": "hold_24h", "grid": {"stop_los": [1]}}}, "stop_los"),
        ("create_sweep", {"file": "x.yaml", "sweep": {"name": "x"}}, "file and sweep exclude each other"),
        ("create_sweep", {"file": "huge.yaml"}, "bytes is no sweep; at most"),
    ],
)
def test_wrong_config_is_refused_in_one_line_before_anything_is_stored(
    researched: LakeRuns, job: str, config: dict[str, Any], said: str
) -> None:
    staging = researched.lab.paths.home / "staging"
    staging.mkdir(exist_ok=True)
    (staging / "text.json").write_text("this is no export and no candle file", "utf-8")
    with (staging / "huge.yaml").open("wb") as file:
        file.truncate(1 << 30)
    if not (staging / "pipe").exists():
        os.mkfifo(staging / "pipe")
    assert said in refusal(researched, job, config)


def test_a_refused_file_makes_no_lake(runs: LakeRuns) -> None:
    assert "not found" in refusal(runs, "ingest_export", {"file": "none.json"})
    assert "lake not found" in refusal(runs, "create_experiment", {})
    assert not runs.lab.paths.manifest_db.exists()


@pytest.mark.parametrize("name", NAMES)
def test_the_launchpad_shows_a_config_that_fits_and_says_what_every_field_is_for(name: str) -> None:
    job = definitions("lake").resolve_job_def(name)
    assert len(job.description or "") > 100
    shown = job.run_config
    assert shown is not None
    assert dg.validate_run_config(job, shown)
    fields = fields_of(name)
    assert set(shown["ops"][OPS[name]]["config"]) <= set(fields)
    for field_name, field in fields.items():
        assert len(field.description or "") >= 15, field_name
        assert not field.is_required, field_name


def test_a_wrong_type_or_name_is_refused_before_a_run_starts() -> None:
    for name, config in (
        ("ingest_export", {"salvage": "yes"}),
        ("ingest_export", {"path": "x"}),
        ("import_candles", {"resolution": "7m"}),
        ("refetch_candles", {"tokens": "one"}),
        ("create_sweep", {"sweep": "grid"}),
    ):
        with pytest.raises(dg.DagsterInvalidConfigError):
            dg.validate_run_config(definitions("lake").resolve_job_def(name), {"ops": {OPS[name]: {"config": config}}})


def test_the_choices_are_those_that_the_readers_of_files_know() -> None:
    assert [source.name for source in Source] == [AUTO, *FORMATS]
    assert [resolution.name for resolution in Resolution] == list(RESOLUTIONS)
    assert [unit.name for unit in PriceUnit] == list(PRICE_UNITS)
    assert [unit.name for unit in VolumeUnit] == list(VOLUME_UNITS)
    described = fields_of("create_experiment")["strategy"].description
    assert all(name in described for name in PRESETS)


def test_the_page_of_the_launchpad_names_every_job_and_its_examples_fit() -> None:
    page = (Path(__file__).parents[2] / "docs" / "launchpad.md").read_text(encoding="utf-8")
    examples = [yaml.safe_load(found) for found in re.findall(r"^ +ops:\n(?: {9,}.*\n)+", page, re.MULTILINE)]
    of_op = {op: name for name, op in OPS.items()}
    assert {of_op[op] for example in examples for op in example["ops"]} == set(NAMES)
    assert all(f"| `{name}` |" in page for name in NAMES)
    for example in examples:
        (op,) = example["ops"]
        assert dg.validate_run_config(definitions("lake").resolve_job_def(of_op[op]), example)


def test_dagster_takes_all_jobs_together() -> None:
    dg.Definitions.validate_loadable(definitions("lake"))
