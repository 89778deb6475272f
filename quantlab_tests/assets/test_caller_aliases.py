"""A list of caller aliases in the lake: what is counted anew, what experiments freeze, and what stays as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from quantlab_assets.workflows.alias_callers import alias_callers
from quantlab_assets.workflows.create_experiment import create_experiment
from quantlab_assets.workflows.execute_experiment import execute_experiment
from quantlab_assets.workflows.ingest_alerts import ingest_telegram_export
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.artifacts.registry import artifact_type, owning_asset
from quantlab_core.errors import ArtifactNotFoundError, CallerAliasesError, InvalidInputError, NotFoundError
from quantlab_core.experiments.experiment import Experiment
from quantlab_resources.experiments.experiment_freezing import WITHOUT_ALIASES
from quantlab_resources.lab import Lab
from quantlab_tests.assets.small_inputs import artifacts, heads, is_untouched, rows, write_export
from quantlab_tests.assets.small_research import OWL, hold_1h, small_research
from quantlab_tests.core.alerts.invented_chat import exported

KEY = "selection=current"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeRuns]:
    """Four calls: three of ann's and one of bob's, who calls fox."""
    with small_research(tmp_path_factory.mktemp("aliases")) as made:
        yield made


def write(folder: Path, text: str, name: str = "callers.yaml") -> Path:
    file = folder / name
    file.write_text(text, "utf-8")
    return file


def callers(runs: LakeRuns, experiment: Experiment) -> dict[str, float]:
    """Scope key → number of alerts, of an executed experiment."""
    execution = execute_experiment(runs, experiment.definition.experiment_id)
    assert execution.experiment.outputs is not None
    metrics = runs.lab.artifacts.read(str(execution.experiment.outputs.metrics_artifact_id)).to_pylist()
    return {
        row["scope_key"]: row["value"] for row in metrics if (row["scope"], row["metric"]) == ("caller", "n_alerts")
    }


def owners(runs: LakeRuns, artifact_id: str) -> set[str]:
    """Assets of what the latest publication of an artifact names as its inputs."""
    store = runs.lab.artifacts
    inputs = [store.get_artifact(input_id) for input_id in store.publications(artifact_id)[-1].input_artifact_ids]
    return {owning_asset(artifact_type(each.artifact_type, each.schema_version), each.logical_key) for each in inputs}


def test_aliases_are_frozen_by_experiments_and_alerts_stay_as_they_are(runs: LakeRuns, tmp_path: Path) -> None:
    before = create_experiment(runs, hold_1h("persons"))
    alerts = heads(runs, "alerts_v1")
    assert before.definition.caller_aliases_id is None
    assert owners(runs, heads(runs, "token_calls_v1")[KEY].artifact_id) == {"alert_set"}

    report = alias_callers(runs, write(tmp_path, "callers:\n  zoe: [Ann, Bob]\n"))
    assert (report.is_new, report.calls, sum(report.calls_by_alias.values())) == (True, 4, 4)
    assert heads(runs, "alerts_v1") == alerts
    counted = heads(runs, "token_calls_v1")[KEY]
    assert owners(runs, counted.artifact_id) == {"alert_set", "caller_aliases"}
    assert set(runs.lab.artifacts.read(counted.artifact_id)["caller"].to_pylist()) == {"zoe"}

    after = create_experiment(runs, hold_1h("persons"))
    assert after.definition.caller_aliases_id == report.artifact_id
    assert after.definition.experiment_id != before.definition.experiment_id
    assert owners(runs, after.definition_artifact_id) == {"alert_set", "candle_set", "caller_aliases", "strategies"}
    assert runs.lab.experiments.find_by_input_artifacts([report.artifact_id]) == [after]
    assert create_experiment(runs, hold_1h("persons")) == after
    # Without aliases it is the experiment of before, to the id.
    assert create_experiment(runs, hold_1h("persons", caller_aliases=WITHOUT_ALIASES)) == before
    assert (callers(runs, before), callers(runs, after)) == ({"ann": 3, "bob": 1}, {"zoe": 4})

    second = alias_callers(runs, write(tmp_path, "callers:\n  zoe: [Ann]\n"))
    assert heads(runs, "caller_aliases_v1")[KEY].artifact_id == second.artifact_id
    # What an experiment froze stays what it is made from, and can still be asked for.
    assert runs.lab.experiments.get(after.definition.experiment_id).definition == after.definition
    again = create_experiment(runs, hold_1h("persons", caller_aliases=report.artifact_id))
    assert again.definition == after.definition
    newest = create_experiment(runs, hold_1h("persons"))
    assert callers(runs, newest) == {"zoe": 3, "bob": 1}
    chosen = create_experiment(runs, hold_1h("bob's", params={"selection": {"callers": [" ANN"]}}))
    assert callers(runs, chosen) == {"zoe": 3, "bob": 1}
    status = {row["caller"]: row["status"] for row in rows(runs, "experiment_trades") if row["reason"] is not None}
    assert status["bob"] == "excluded"


def test_the_same_list_again_changes_nothing_and_dagster_shows_its_hash(runs: LakeRuns, tmp_path: Path) -> None:
    text = "callers: {yak: [user1234, Yak Y.]}"
    first = alias_callers(runs, write(tmp_path, text))
    before = artifacts(runs)
    again = alias_callers(runs, write(tmp_path, "# sorted otherwise\n" + text, "other.yaml"))
    assert (again.artifact_id, again.is_new) == (first.artifact_id, False)
    assert is_untouched(runs, before)
    assert first.calls_by_alias == {("id", "user1234"): 0, ("name", "yak y."): 0}
    event = runs.instance.get_latest_materialization_event(dg.AssetKey("caller_aliases"))
    assert event is not None
    assert event.asset_materialization is not None
    tags = event.asset_materialization.tags or {}
    assert tags["dagster/data_version"] == heads(runs, "caller_aliases_v1")[KEY].content_hash


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a mapping of keys to values; docs/alerts.md has examples"),
        ("callers:", "callers must name one caller or more"),
        ("callers: {ann: [user7]", "not readable as YAML at line 1, column 23"),
        ("callers: {ann: [user7], ann: [user8]}", "the key 'ann' is given twice"),
        ("callers: {7: [user7]}", "the key 7 is not text"),
        ("callers: &a {ann: *a}", "aliases (*name) are not supported"),
        ("callers: {ann: [user7], bob: [user7]}", "'user7' is listed under 'bob' and belongs to 'ann'"),
        ("\x00", "not readable as YAML: unacceptable character #x0000"),
        ("[" * 100_000, "maximum recursion depth exceeded"),
        ("#" * (1 << 20) + "#", "1,048,577 bytes is no list of caller aliases; at most 1,048,576 are read"),
    ],
    ids=["empty", "no callers", "broken", "twice", "number", "anchor", "contradiction", "nul", "deep", "large"],
)
def test_a_file_that_is_refused_leaves_no_trace(runs: LakeRuns, tmp_path: Path, text: str, message: str) -> None:
    before, file = artifacts(runs), write(tmp_path, text)
    with pytest.raises(CallerAliasesError) as refusal:
        alias_callers(runs, file)
    assert str(refusal.value).startswith(f"{file}: ")
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert is_untouched(runs, before)


def test_files_that_are_not_there_and_bytes_that_are_no_text_are_refused(runs: LakeRuns, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="list of caller aliases file not found"):
        alias_callers(runs, tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"callers: {ann: [\xe4]}")
    with pytest.raises(CallerAliasesError, match="not UTF-8 text at byte 16"):
        alias_callers(runs, tmp_path / "latin.yaml")


def test_an_experiment_takes_lists_of_aliases_only(runs: LakeRuns, tmp_path: Path) -> None:
    report = alias_callers(runs, write(tmp_path, "callers: {gnu: [user99]}"))
    alerts = next(iter(heads(runs, "alerts_v1").values())).artifact_id
    runs.lab.artifacts.tombstone(report.artifact_id, reason="a mistake")
    refusals: dict[str, tuple[type[Exception], str]] = {
        alerts: (InvalidInputError, "is a alerts_v1; expected a list of caller aliases"),
        report.artifact_id: (InvalidInputError, "was withdrawn; expected a list of caller aliases"),
        "nobody": (ArtifactNotFoundError, "nobody"),
    }
    before = artifacts(runs)
    for given, (error, words) in refusals.items():
        with pytest.raises(error, match=words):
            create_experiment(runs, hold_1h("refused", caller_aliases=given))
    assert is_untouched(runs, before)
    # With the list withdrawn there is none: every caller is a person again.
    runs.materialize("", ["token_calls"])
    assert owners(runs, heads(runs, "token_calls_v1")[KEY].artifact_id) == {"alert_set"}
    assert create_experiment(runs, hold_1h("none")).definition.caller_aliases_id is None


def test_a_list_may_come_before_the_first_alert(lab: Lab, instance: Any, tmp_path: Path) -> None:
    runs = LakeRuns(lab, instance)
    report = alias_callers(runs, write(tmp_path, "callers: {ann: [Bobby]}"))
    assert (report.calls, heads(runs, "token_calls_v1")) == (0, {})
    ingest_telegram_export(
        runs, write_export(tmp_path / "export.json", exported(1, OWL), exported(2, OWL, at=60, sender="bobby"))
    )
    assert [row["call_number_by_caller"] for row in rows(runs, "token_calls_v1")] == [1, 2]


def test_a_token_that_an_earlier_export_held_already_is_proven(tmp_path: Path) -> None:
    """Written at once, edited later: an export from before the edit has the token, so it is no hindsight."""
    with small_research(tmp_path) as runs:
        export = write_export(tmp_path / "late.json", exported(10, f"{OWL} look!", edited_after=10_800))
        ingest_telegram_export(runs, export)
        (known,) = [row for row in rows(runs, "alerts_v1") if row["mint"] == OWL]
        assert (known["edited_ts"], known["token_proven_at_call"]) == (None, True)
        other = exported(15, f"{OWL} again", at=300, edited_after=10_800)
        ingest_telegram_export(runs, write_export(tmp_path / "other.json", other))
        found = {}
        for policy in ("proven", "accept", "lag"):
            request = hold_1h(policy, params={"selection": {"edited": policy}})
            experiment = create_experiment(runs, request)
            outputs = execute_experiment(runs, experiment.definition.experiment_id).experiment.outputs
            assert outputs is not None
            trades = runs.lab.artifacts.read(str(outputs.trades_artifact_id)).to_pylist()
            found[policy] = [row["reason"] for row in trades if row["token"] == OWL]
    # Three hours later is inside the span for which the candles were asked for: no candle then is silence.
    assert found == {"proven": [None, "edited_call"], "accept": [None, None], "lag": [None, "no_candle"]}
