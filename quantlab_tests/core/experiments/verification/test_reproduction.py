"""Verdicts on outputs that came out again, and where two tables differ."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.artifacts.artifact import Artifact, ArtifactStatus
from quantlab_core.artifacts.content_hash import content_hash
from quantlab_core.artifacts.table_difference import table_difference
from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments.artifact_types import EXPERIMENT_CURVES, EXPERIMENT_METRICS
from quantlab_core.experiments.verification.reproduction import (
    InputState,
    OutputComparison,
    OutputVerdict,
    ReproducedOutput,
    Reproduction,
    check_tolerance,
    compared_output,
    reproduction_table,
    surrounding_facts,
    whole_inputs,
)


def curves(*points: tuple[int, float | None]) -> pa.Table:
    rows = [
        {
            "param_id": "base", "ts": datetime(2025, 5, 1, 0, minute, tzinfo=UTC), "cash": 1.0, "equity": equity,
            "n_open": 0, "exposure": 0.0, "drawdown": 0.0, "drawdown_duration_s": 0.0,
        }
        for minute, equity in points
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=EXPERIMENT_CURVES.schema)


def metrics(**values: float | None) -> pa.Table:
    rows = [
        {"param_id": "base", "scope": "all", "scope_key": "all", "metric": metric, "value": value, "n": 1}
        for metric, value in values.items()
    ]
    return pa.Table.from_pylist(rows, schema=EXPERIMENT_METRICS.schema)


def recorded(table: pa.Table, file_hash: str = "sha256:a") -> Artifact:
    hashed = content_hash(table, EXPERIMENT_CURVES)
    return Artifact(
        "id", "experiment_curves", 2, "experiment=x/curves", ArtifactStatus.ACTIVE, "p", "s", file_hash, hashed,
        table.num_rows, "2025-05-01T00:00:00.000Z",
    )  # fmt: skip


def again(table: pa.Table, file_hash: str = "sha256:a") -> ReproducedOutput:
    return ReproducedOutput(EXPERIMENT_CURVES, table, content_hash(table, EXPERIMENT_CURVES), file_hash)


def verdict(one: pa.Table, other: pa.Table, file_hash: str = "sha256:a", **more: Any) -> OutputComparison:
    return compared_output("curves", recorded(one), one, again(other, file_hash), **more)


def test_equal_bytes_equal_content_and_nearly_equal_are_three_verdicts() -> None:
    table = curves((0, 1.0), (1, 3.0))
    assert verdict(table, table).verdict is OutputVerdict.IDENTICAL_BYTES
    assert verdict(table, table, "sha256:b").verdict is OutputVerdict.IDENTICAL_CONTENT
    near = verdict(table, curves((0, 1.0), (1, math.nextafter(3.0, 4.0))))
    assert near.verdict is OutputVerdict.EQUAL_WITHIN
    assert near.difference is not None
    assert 0 < near.difference.largest < 2e-16
    exact = verdict(table, curves((0, 1.0), (1, math.nextafter(3.0, 4.0))), tolerance=0.0)
    assert exact.verdict is OutputVerdict.DIFFERENT


def test_the_rows_that_differ_are_told_with_key_and_both_values() -> None:
    found = verdict(curves((0, 1.0), (1, 2.0), (2, 5.0)), curves((0, 1.0), (1, 2.5), (3, 5.0)))
    assert found.verdict is OutputVerdict.DIFFERENT
    difference = found.difference
    assert difference is not None
    assert (difference.n_changed, difference.n_only_one, difference.n_only_other) == (1, 1, 1)
    changed, only_one, only_other = difference.rows
    assert changed.key == {"param_id": "base", "ts": datetime(2025, 5, 1, 0, 1, tzinfo=UTC)}
    assert (changed.one, changed.other) == ({"equity": 2.0}, {"equity": 2.5})
    assert (only_one.other, only_other.one) == (None, None)
    assert difference.largest == pytest.approx(0.2)


def test_a_number_and_none_differ_and_two_that_are_not_there_do_not() -> None:
    one, other = metrics(a=None, b=1.0, c=0.0), metrics(a=None, b=None, c=-0.0)
    difference = table_difference(one, other, EXPERIMENT_METRICS, tolerance=1e-9)
    assert [row.key["metric"] for row in difference.rows] == ["b"]
    assert difference.largest == math.inf


def test_many_differing_rows_are_counted_and_twenty_told() -> None:
    one, other = (metrics(**{f"m{number:03}": number + shift for number in range(50)}) for shift in (0.0, 1.0))
    difference = table_difference(one, other, EXPERIMENT_METRICS, tolerance=1e-9)
    assert (difference.n_changed, len(difference.rows)) == (50, 20)


VALUES = st.one_of(st.none(), st.floats(allow_nan=False, width=32))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from("abcdef"), VALUES), st.dictionaries(st.sampled_from("abcdef"), VALUES))
def test_the_difference_is_the_same_from_both_sides_and_none_of_equal_tables(
    one: dict[str, float | None], other: dict[str, float | None]
) -> None:
    there = table_difference(metrics(**one), metrics(**other), EXPERIMENT_METRICS, tolerance=0.0)
    back = table_difference(metrics(**other), metrics(**one), EXPERIMENT_METRICS, tolerance=0.0)
    assert (there.n_only_one, there.n_only_other) == (back.n_only_other, back.n_only_one)
    assert (there.n_changed, there.largest) == (back.n_changed, back.largest)
    assert there.n_rows == sum(
        (name in one) != (name in other) or one.get(name) != other.get(name) for name in one.keys() | other.keys()
    )
    assert table_difference(metrics(**one), metrics(**one), EXPERIMENT_METRICS, tolerance=0.0).n_rows == 0


def test_a_record_that_cannot_be_read_is_another_by_its_hash_and_no_more_is_said() -> None:
    table = curves((0, 1.0))
    found = compared_output("curves", recorded(table), "the file is gone", again(curves((0, 2.0))))
    assert found.verdict is OutputVerdict.DIFFERENT
    assert found.difference is None
    assert "the file is gone" in found.message


def test_surroundings_are_compared_fact_by_fact() -> None:
    then = {"gitCommit": "a", "environment": {"pythonVersion": "3.11.2", "lockHash": "1"}}
    now = {"gitCommit": "a", "environment": {"pythonVersion": "3.12.0"}, "patchHash": "p"}
    facts = {fact.name: (fact.recorded, fact.present, fact.verdict) for fact in surrounding_facts(then, now)}
    assert facts == {
        "gitCommit": ("a", "a", "same"),
        "environment.pythonVersion": ("3.11.2", "3.12.0", "differs"),
        "environment.lockHash": ("1", None, "differs"),
        "patchHash": (None, "p", "not_recorded"),
    }


def test_a_verdict_without_outputs_or_with_one_unchecked_is_no_reproduction() -> None:
    table = curves((0, 1.0))
    same = verdict(table, table)
    unchecked = replace(same, verdict=OutputVerdict.NOT_CHECKED)
    for outputs, expected in (((), False), ((same,), True), ((same, unchecked), False)):
        assert Reproduction("x", 1e-9, outputs, (), (), {}).is_reproduced is expected


def test_the_table_holds_every_finding_in_order() -> None:
    found = Reproduction(
        "x",
        1e-9,
        (verdict(curves((0, 1.0)), curves((0, math.inf))),),
        (InputState("art", "damaged", "hash"),),
        surrounding_facts({"a": True}, {"a": False}),
        {"machines": "one"},
    )
    rows = reproduction_table(found).to_pylist()
    assert [row["kind"] for row in rows] == ["output", "difference", "input", "surroundings", "unchecked"]
    assert rows[1]["reproduced"] == '{"equity": "inf"}'
    assert (rows[3]["recorded"], rows[3]["reproduced"]) == ("true", "false")


def test_inputs_are_summed_up_in_one_sentence() -> None:
    states = [InputState("a", "whole"), InputState("b", "superseded"), InputState("c", "missing")]
    assert whole_inputs(states) == "2 of 3 frozen inputs hold the recorded bytes, 1 of them superseded since"


@pytest.mark.parametrize("tolerance", [-1e-12, 1.0, math.nan])
def test_a_tolerance_that_is_none_is_refused(tolerance: float) -> None:
    with pytest.raises(InvalidInputError, match="relative difference"):
        check_tolerance(tolerance)
