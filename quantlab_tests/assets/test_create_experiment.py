"""Creating experiments: what is frozen, what counts as equal, and what is refused before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from quantlab_assets.workflows.create_experiment import create_experiment
from quantlab_assets.workflows.ingest_alerts import ingest_telegram_export
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.alerts.artifact_types import ALERTS
from quantlab_core.artifacts.artifact import PublishRequest, Writer
from quantlab_core.code_provenance import CodePatch, CodeVersion, DeterminismSettings, EnvironmentIdentity
from quantlab_core.errors import (
    ArtifactNotFoundError,
    ConflictError,
    InvalidInputError,
    QuantlabError,
    StrategyError,
)
from quantlab_core.experiments.experiment import DateRange, ExperimentStatus
from quantlab_resources.experiments.experiment_freezing import DaySelection
from quantlab_resources.lab import Lab
from quantlab_tests.assets.small_inputs import FIRST, SECOND, THIRD, artifacts, heads, is_untouched, write_export
from quantlab_tests.assets.small_research import ELK, FOX, HOLD_1H, OWL, hold_1h, small_research
from quantlab_tests.core.alerts.invented_chat import exported, mint

ALERTS_SET, CANDLES_SET = "of=alerts/selection=current", "of=candles/selection=current"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeRuns]:
    with small_research(tmp_path_factory.mktemp("create")) as made:
        yield made


def alerts_of_day(runs: LakeRuns, day: str) -> str:
    return heads(runs, "alerts_v1")[f"day={day}/chain=solana"].artifact_id


def series_of(runs: LakeRuns, token: str) -> str:
    return heads(runs, "token_candles_v1")[f"token={token}/res=1m"].artifact_id


def members(runs: LakeRuns, set_id: str) -> set[str]:
    return set(runs.lab.artifacts.read(set_id)["artifact_id"].to_pylist())


def test_without_ids_the_current_sets_are_pinned(runs: LakeRuns) -> None:
    experiment = create_experiment(runs, hold_1h("current"))
    sets = heads(runs, "artifact_set")
    definition = experiment.definition
    assert (definition.alert_set_id, definition.candle_set_id) == (
        sets[ALERTS_SET].artifact_id,
        sets[CANDLES_SET].artifact_id,
    )
    assert experiment.status is ExperimentStatus.PENDING
    assert definition.experiment_id.startswith("current__")
    assert definition.experiment_id in runs.instance.get_dynamic_partitions("experiments")


def test_ids_of_artifacts_are_frozen_as_a_set_of_exactly_these(runs: LakeRuns) -> None:
    alerts, owl, fox = alerts_of_day(runs, FIRST), series_of(runs, OWL), series_of(runs, FOX)
    definition = create_experiment(runs, hold_1h("by id", alerts=[alerts], ohlcv=[owl, fox, owl])).definition
    assert members(runs, definition.alert_set_id) == {alerts}
    assert members(runs, definition.candle_set_id) == {owl, fox}
    assert definition.inputs.ohlcv == (owl, fox, owl)


def test_sets_slices_and_single_artifacts_can_be_mixed(runs: LakeRuns) -> None:
    candle_set = heads(runs, "artifact_set")[CANDLES_SET].artifact_id
    slices = [head.artifact_id for key, head in heads(runs, "ohlcv_slice_v2").items() if OWL in key]
    definition = create_experiment(runs, hold_1h("mixed", ohlcv=[candle_set, *slices, series_of(runs, ELK)])).definition
    assert slices
    assert members(runs, definition.candle_set_id) == {*slices, *(series_of(runs, t) for t in (OWL, FOX, ELK))}


def test_a_single_set_stands_as_it_is(runs: LakeRuns) -> None:
    candle_set = heads(runs, "artifact_set")[CANDLES_SET].artifact_id
    before = set(heads(runs, "artifact_set"))
    definition = create_experiment(runs, hold_1h("one set", ohlcv=[candle_set])).definition
    assert definition.candle_set_id == candle_set
    assert set(heads(runs, "artifact_set")) == before


def test_days_select_the_alerts_of_these_days(runs: LakeRuns) -> None:
    day = date.fromisoformat(SECOND)
    definition = create_experiment(runs, hold_1h("by day", selection=DaySelection(day, day))).definition
    assert members(runs, definition.alert_set_id) == {alerts_of_day(runs, SECOND)}
    both = DaySelection(date(2025, 1, 1), day)
    definition = create_experiment(runs, hold_1h("by days", selection=both)).definition
    assert members(runs, definition.alert_set_id) == {alerts_of_day(runs, FIRST), alerts_of_day(runs, SECOND)}


def test_an_equal_definition_is_the_experiment_that_is_there(runs: LakeRuns) -> None:
    """Words about the strategy and the order of ids are no part of it."""
    ids = [series_of(runs, OWL), series_of(runs, FOX)]
    first = create_experiment(runs, hold_1h("equal", ohlcv=ids))
    before = artifacts(runs)
    described = {**HOLD_1H, "name": "another name", "description": "in other words"}
    again = create_experiment(runs, hold_1h("equal", ohlcv=ids[::-1], strategy=described))
    assert again == first
    assert is_untouched(runs, before)


def test_another_strategy_or_range_is_another_experiment(runs: LakeRuns) -> None:
    requests = [
        hold_1h("differs"),
        hold_1h("differs", strategy={**HOLD_1H, "max_hold_min": 61}),
        hold_1h("differs", date_range=DateRange(FIRST, FIRST)),
        hold_1h("differs", params={"seed": 5}),
    ]
    assert len({create_experiment(runs, request).definition.experiment_id for request in requests}) == 4


def test_an_id_that_has_another_definition_is_a_conflict(runs: LakeRuns) -> None:
    first = create_experiment(runs, hold_1h("mine", experiment_id="my-experiment"))
    assert create_experiment(runs, hold_1h("mine", experiment_id="my-experiment")) == first
    before = artifacts(runs)
    other = hold_1h("mine", experiment_id="my-experiment", strategy={**HOLD_1H, "max_hold_min": 30})
    with pytest.raises(ConflictError, match="my-experiment exists with another definition"):
        create_experiment(runs, other)
    assert is_untouched(runs, before)
    assert runs.lab.experiments.get("my-experiment") == first


def refusals(runs: LakeRuns) -> dict[str, tuple[dict[str, Any], type[QuantlabError], str]]:
    alerts, series, nobody = alerts_of_day(runs, FIRST), series_of(runs, OWL), "00000000-0000-0000-0000-000000000000"
    sets = heads(runs, "artifact_set")
    by_id = {"alerts": [alerts, alerts_of_day(runs, THIRD)]}  # a set that nothing else freezes
    longest = 48 * 60
    return {
        "unknown alerts": ({"alerts": [nobody]}, ArtifactNotFoundError, nobody),
        "unknown candles": (by_id | {"ohlcv": [nobody]}, ArtifactNotFoundError, nobody),
        "candles as alerts": ({"alerts": [series]}, InvalidInputError, "is a token_candles_v1; expected alerts_v1"),
        "alerts as candles": (by_id | {"ohlcv": [alerts]}, InvalidInputError, "is a alerts_v1; expected ohlcv"),
        "a set of the other kind": (
            by_id | {"ohlcv": [sets[ALERTS_SET].artifact_id]},
            InvalidInputError,
            "is a alerts_v1",
        ),
        "days without alerts": (
            {"selection": DaySelection(date(2024, 1, 1), date(2024, 1, 2))},
            InvalidInputError,
            "no alerts from 2024-01-01 to 2024-01-02",
        ),
        "a hold beyond the slices": (
            by_id | {"strategy": {**HOLD_1H, "max_hold_min": longest + 1}},
            StrategyError,
            "max_hold_min 2881 reaches beyond the candles",
        ),
        "a delay that carries the hold beyond the slices": (
            by_id | {"strategy": {**HOLD_1H, "max_hold_min": longest, "entry_delay_s": 60}},
            StrategyError,
            "max_hold_min 2880 reaches beyond the candles",
        ),
        "an unknown key of the strategy": (by_id | {"strategy": {**HOLD_1H, "hold": 3}}, StrategyError, "hold"),
        "an unknown parameter": (by_id | {"params": {"sead": 1}}, InvalidInputError, "sead"),
        "a range that ends before it begins": (
            by_id | {"date_range": DateRange(SECOND, FIRST)},
            InvalidInputError,
            SECOND,
        ),
        "a stake beyond the capital": (
            by_id | {"params": {"portfolio": {"starting_capital": 99}}},
            InvalidInputError,
            "starting_capital 99 is less than the stake of 100: no trade could open",
        ),
        "a range before all alerts": (
            by_id | {"date_range": DateRange(None, "2024-12-31")},
            InvalidInputError,
            r"no alert was sent to 2025-01-01T00:00:00\+00:00; the 3 alerts are from",
        ),
        "a range between the alerts of a day": (
            by_id | {"date_range": DateRange(f"{FIRST}T12:00:10Z", f"{FIRST}T12:00:50Z")},
            InvalidInputError,
            "no alert was sent from .* to .*; the 3 alerts are from",
        ),
        "an id that cannot be a key": (by_id | {"experiment_id": "../up"}, InvalidInputError, "cannot be a partition"),
    }


REFUSED = (
    "unknown alerts",
    "unknown candles",
    "candles as alerts",
    "alerts as candles",
    "a set of the other kind",
    "days without alerts",
    "a hold beyond the slices",
    "a delay that carries the hold beyond the slices",
    "an unknown key of the strategy",
    "an unknown parameter",
    "a range that ends before it begins",
    "a stake beyond the capital",
    "a range before all alerts",
    "a range between the alerts of a day",
    "an id that cannot be a key",
)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_leaves_the_lake_and_dagster_as_they_were(runs: LakeRuns, case: str) -> None:
    fields, error, words = refusals(runs)[case]
    before, keys = artifacts(runs), runs.instance.get_dynamic_partitions("experiments")
    with pytest.raises(error, match=words) as raised:
        create_experiment(runs, hold_1h("refused", **fields))
    assert "\n" not in str(raised.value)
    assert is_untouched(runs, before)
    assert runs.instance.get_dynamic_partitions("experiments") == keys


def test_a_hold_of_exactly_the_slices_is_taken(runs: LakeRuns) -> None:
    create_experiment(runs, hold_1h("longest", strategy={**HOLD_1H, "max_hold_min": 48 * 60}))


def test_new_alerts_do_not_change_what_an_experiment_pinned(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("later")
    with small_research(folder) as runs:
        pinned = create_experiment(runs, hold_1h("pinned")).definition
        ingest_telegram_export(runs, write_export(folder / "more.json", exported(12, mint("yak"), at=120)))
        assert runs.lab.experiments.get(pinned.experiment_id).definition == pinned
        assert heads(runs, "artifact_set")[ALERTS_SET].artifact_id != pinned.alert_set_id
        later = create_experiment(runs, hold_1h("pinned")).definition
        assert later.experiment_id != pinned.experiment_id


def test_an_empty_lake_says_what_to_bring(lab: Lab, instance: Any) -> None:
    with pytest.raises(InvalidInputError, match="no alerts yet; `quantlab alerts ingest FILE`"):
        create_experiment(LakeRuns(lab, instance), hold_1h())


def test_the_strategy_is_an_artifact_that_the_definition_is_made_from(runs: LakeRuns) -> None:
    experiment = create_experiment(runs, hold_1h("pins its strategy"))
    definition = experiment.definition
    assert definition.strategy_id is not None
    assert definition.inputs.strategies == (definition.strategy_id,)
    lineage = runs.lab.artifacts.get_lineage(experiment.definition_artifact_id)
    assert definition.strategy_id in {made_from.artifact_id for made_from in lineage.inputs}
    assert heads(runs, "strategy_v1")["strategy=hold_1h"].artifact_id == definition.strategy_id


def test_a_published_strategy_is_pinned_by_its_id(runs: LakeRuns) -> None:
    first = create_experiment(runs, hold_1h("by mapping")).definition
    assert first.strategy_id is not None
    again = hold_1h("by id", strategy=None, strategies=[first.strategy_id])
    assert create_experiment(runs, again).definition.config == first.config
    with pytest.raises(StrategyError, match="differ; give one of them"):
        create_experiment(runs, hold_1h("both", strategy={**HOLD_1H, "stake": 3}, strategies=[first.strategy_id]))
    with pytest.raises(StrategyError, match="is a alerts_v1, not a strategy"):
        create_experiment(runs, hold_1h("no strategy", strategy=None, strategies=[alerts_of_day(runs, FIRST)]))
    with pytest.raises(InvalidInputError, match="needs a strategy"):
        create_experiment(runs, hold_1h("none", strategy=None))


def test_a_set_without_a_row_is_refused(runs: LakeRuns) -> None:
    empty = runs.lab.artifacts.publish(
        PublishRequest(
            ALERTS.name,
            ALERTS.version,
            "day=2031-01-01/chain=base",
            ALERTS.schema.empty_table(),
            Writer("t", "1", "c", False),
        )
    ).artifact
    before = artifacts(runs)
    with pytest.raises(InvalidInputError, match=r"the set of alerts is empty \(1 members without a row\)"):
        create_experiment(runs, hold_1h("empty", alerts=[empty.artifact_id]))
    assert is_untouched(runs, before)


class DirtyCode:
    """Code with a patch, in surroundings of its own."""

    def code_version(self) -> CodeVersion:
        return CodeVersion("c0ffee", True)

    def code_patch(self) -> CodePatch:
        return CodePatch(b"--- a\n+++ b\n")

    def environment(self) -> EnvironmentIdentity:
        return EnvironmentIdentity("3.99.0", "moon-riscv", "1" * 64, "2" * 64)

    def determinism(self) -> DeterminismSettings:
        return DeterminismSettings("binary64, to nearest", "little", "random", 3, {"OMP_NUM_THREADS": "1"})


def test_code_and_surroundings_are_recorded_beside_the_definition_and_are_no_part_of_it(runs: LakeRuns) -> None:
    clean = create_experiment(runs, hold_1h("recorded"))
    lab = Lab(runs.lab.paths.home, code_provenance=DirtyCode())
    dirty = LakeRuns(lab, runs.instance)
    assert create_experiment(dirty, hold_1h("recorded")) == clean, "the same question"
    made = create_experiment(dirty, hold_1h("recorded otherwise"))
    provenance = lab.experiments.get(made.definition.experiment_id).definition.provenance
    assert provenance.patch_hash == DirtyCode().code_patch().sha256
    assert provenance.patch_artifact_id is None
    assert (provenance.environment, provenance.determinism) == (DirtyCode().environment(), DirtyCode().determinism())
    assert not heads(runs, "code_patch_v1"), "kept on request only"


def test_the_patch_is_kept_on_request(runs: LakeRuns) -> None:
    lab = Lab(runs.lab.paths.home, code_provenance=DirtyCode())
    made = create_experiment(LakeRuns(lab, runs.instance), hold_1h("kept", keeps_patch=True))
    kept = made.definition.provenance.patch_artifact_id
    assert kept is not None
    assert lab.artifacts.read(kept)["patch"].to_pylist() == [DirtyCode().code_patch().text]
    assert kept not in made.definition.pinned_ids
