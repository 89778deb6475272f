"""What every asset's checks say of stored files and of row counts: each can be seen to fail."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from quantlab_assets.checks.lake_checks import IS_WHOLE, ROW_COUNT
from quantlab_assets.definitions import build_defs
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.alerts.artifact_types import ALERTS
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.contract_fault import contract_fault
from quantlab_core.artifacts.row_count_drift import RowCounts
from quantlab_core.candles.artifact_types import OHLCV_SLICE
from quantlab_resources.artifacts.upkeep.spot_check import CONTRACT, spot_check
from quantlab_resources.dagster_io.row_counts import row_counts
from quantlab_tests.assets.small_inputs import heads
from quantlab_tests.assets.small_research import small_research

FIRST_DAY, NEXT_DAY = "2025-05-01", "2025-05-02"
MORE_THAN_ENOUGH_S = 600.0
"""For reading a few small files, on whatever machine."""


@pytest.fixture(scope="module")
def research(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeRuns]:
    with small_research(tmp_path_factory.mktemp("checks")) as runs:
        yield runs


def checked(
    runs: LakeRuns, *assets: str, check: str = IS_WHOLE, **run: Any
) -> dict[str, tuple[bool, str, dict[str, Any]]]:
    """The checks run by themselves, as the UI's button does: passed, description, and what is shown beside it."""
    keys = [dg.AssetCheckKey(dg.AssetKey(asset), check) for asset in assets]
    job = build_defs(home=str(runs.lab.paths.home)).resolve_implicit_global_asset_job_def()
    done = job.get_subset(asset_selection=set(), asset_check_selection=set(keys)).execute_in_process(
        instance=runs.instance, run_config={"ops": {"lake_checks": {"config": {"seconds": MORE_THAN_ENOUGH_S}}}}, **run
    )
    return {
        found.asset_key.to_user_string(): (
            found.passed,
            found.description or "",
            {name: getattr(value, "records", value.value) for name, value in found.metadata.items()},
        )
        for found in done.get_asset_check_evaluations()
    }


def one_head(runs: LakeRuns, spec: ArtifactType) -> Artifact:
    return next(iter(heads(runs, spec.name).values()))


def test_every_asset_of_a_sound_lake_is_whole_and_says_how_much_was_read(research: LakeRuns) -> None:
    found = checked(research, "telegram_exports", "alerts", "ohlcv_slices", "token_candles", "alert_set", "strategies")
    assert [asset for asset, (passed, *_) in found.items() if not passed] == []
    assert found["alerts"][1] == "3 artifacts read, and whole"
    assert found["alerts"][2]["artifacts_read"] == 3
    assert found["strategies"][1] == "nothing to look at: there is no current artifact"


def test_a_run_of_one_day_looks_at_that_day_alone(research: LakeRuns) -> None:
    found = checked(research, "alerts", "ohlcv_slices", "alert_set", tags={"dagster/partition": FIRST_DAY})
    assert found["alerts"][1] == "1 artifact of 1 partition read, and whole"
    assert found["ohlcv_slices"][2]["artifacts"] == 2
    assert found["alert_set"][2]["artifacts_read"] == 1


def test_a_run_over_a_range_of_days_looks_at_these_days(research: LakeRuns) -> None:
    days = {"dagster/asset_partition_range_start": FIRST_DAY, "dagster/asset_partition_range_end": NEXT_DAY}
    found = checked(research, "alerts", "ohlcv_slices", tags=days)
    assert found["alerts"][1] == "2 artifacts of 2 partitions read, and whole"
    assert found["ohlcv_slices"][2]["artifacts"] == 3


def test_a_damaged_file_fails_the_check_of_its_asset_and_names_the_artifact(tmp_path: Path) -> None:
    with small_research(tmp_path) as runs:
        damaged, gone = one_head(runs, ALERTS), one_head(runs, OHLCV_SLICE)
        path = Path(damaged.path_parquet)
        bytes_before = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(bytes_before[:-9] + bytes([bytes_before[-9] ^ 1]) + bytes_before[-8:])
        Path(gone.path_parquet).unlink()
        found = checked(runs, "alerts", "ohlcv_slices", "alert_events")
    assert {asset: passed for asset, (passed, *_) in found.items()} == {
        "alert_events": True,
        "alerts": False,
        "ohlcv_slices": False,
    }
    assert damaged.path_parquet in found["alerts"][1]
    wrong = found["ohlcv_slices"][2]["what_is_wrong"]
    assert [(row.data["problem"], row.data["artifact_id"]) for row in wrong] == [("missing", gone.artifact_id)]


def test_a_missing_file_is_told_however_little_time_there_is(tmp_path: Path) -> None:
    with small_research(tmp_path) as runs:
        ids = [head.artifact_id for head in heads(runs, ALERTS.name).values()]
        gone = runs.lab.artifacts.get_artifact(ids[-1])
        Path(gone.path_parquet).unlink()
        for sample in ("one", "two", "three"):
            found = spot_check(runs.lab.artifacts, ids, seconds=4, sample=sample, clock=a_second_each_time())
            assert (found.artifacts, found.looked_for, found.read) == (3, 3, 1)
            assert [problem.artifact_id for problem in found.problems] == [gone.artifact_id]
        hurried = spot_check(runs.lab.artifacts, ids, seconds=1, sample="one", clock=a_second_each_time())
    assert (hurried.artifacts, hurried.looked_for, hurried.read) == (3, 1, 1)


def a_second_each_time() -> Callable[[], float]:
    """A clock on which every look at it takes a second."""
    return partial(next, itertools.count(0.0))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.take(pa.array([1, 0, 2])), "not in the order of ts"),
        (lambda table: table.take(pa.array([0, 1, 1])), "repeat the unique key"),
        (lambda table: table.drop_columns(["volume"]), "missing: volume"),
        (lambda table: table.append_column("more", pa.array([1, 2, 3])), "unknown: more"),
        (lambda table: table.replace_schema_metadata(None), "attribute"),
    ],
)
def test_a_table_that_breaks_a_promise_of_its_type_is_told_which(change: Any, said: str, research: LakeRuns) -> None:
    table = research.lab.artifacts.read(one_head(research, OHLCV_SLICE).artifact_id).slice(0, 3)
    assert contract_fault(table, OHLCV_SLICE) is None
    assert said in (contract_fault(change(table), OHLCV_SLICE) or "")


def test_a_type_that_was_changed_without_a_new_version_fails_the_check(
    research: LakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from quantlab_resources.artifacts.upkeep import spot_check as module

    head = one_head(research, OHLCV_SLICE)
    changed = replace(OHLCV_SLICE, unique_key=("close",))
    monkeypatch.setattr(module, "type_of_table", lambda *_: changed)
    found = spot_check(research.lab.artifacts, [head.artifact_id], seconds=MORE_THAN_ENOUGH_S, sample="")
    assert [problem.what for problem in found.problems] == [CONTRACT]


def test_far_fewer_rows_than_usual_are_warned_of(research: LakeRuns) -> None:
    (passed, said, facts) = checked(research, "token_candles", check=ROW_COUNT)["token_candles"]
    assert (passed, said) == (True, "nothing to compare with: the last materialization was the first")
    assert facts["rows"] == 270
    research.materialize("again", ["token_calls"])
    (again,) = row_counts(research.lab.artifacts, "token_calls")
    assert (again.name, again.now, list(again.earlier)) == ("selection=current", 4, [4])


def test_usual_is_the_median_of_the_latest_counts() -> None:
    assert RowCounts("day", 40, [100, 90, 110]).is_unusual
    assert not RowCounts("day", 60, [100, 90, 110]).is_unusual
    assert RowCounts("day", 210, [100, 90, 110]).is_unusual
    assert not RowCounts("day", 1, [15]).is_unusual, "small tables halve easily"
    assert not RowCounts("day", 5_000, []).is_unusual, "the first of its kind"
    assert RowCounts("day", 1_000, [1_000] + [10_000] * 10).is_unusual, "what was usual long ago is not usual any more"
