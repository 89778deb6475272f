"""What is not made from everything that is current: exact and transitive, however many partitions are upstream.

The worked lake has 120 days of alerts and 120 tokens with a slice each, more than Dagster's own badge looks at::

    alerts (120 days)  ─ alert set ─┬─ calls by token
                                    ├─ coverage (3 tables), projection ─ ...
    slices (120) ─ series ─ candle set ─┘
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from quantlab_assets.checks.is_current import MOST_ROWS, verdict_of
from quantlab_core.alerts.artifact_types import ALERTS, TOKEN_CALLS
from quantlab_core.artifacts.artifact import Artifact, PublishRequest
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.artifacts.frozen_set import frozen_set_table
from quantlab_core.artifacts.logical_key import format_key
from quantlab_core.candles.artifact_types import OHLCV_SLICE, SLICE_QUARANTINE, TOKEN_CANDLES
from quantlab_core.candles.slices import cohort_window, slice_key_parts
from quantlab_core.token import SOLANA, Token
from quantlab_resources.artifacts.upkeep.staleness import stale
from quantlab_resources.artifacts.upkeep.verification import verify
from quantlab_resources.freshness.lake_freshness import AssetFreshness, lake_freshness, not_current
from quantlab_resources.lab import Lab
from quantlab_tests.resources.artifacts.lakes import WRITER

DAYS = [date(2025, 1, 1) + timedelta(days=number) for number in range(120)]
TOKENS = [Token(SOLANA, f"{number:03}".replace("0", "z") + "A" * 40) for number in range(120)]
BOTH = ("alert_set", "candle_set")


def row(spec: ArtifactType, value: int) -> pa.Table:
    """One row of the type, with ``value`` wherever a number goes."""
    found: dict[str, Any] = {}
    for column in spec.schema:
        if pa.types.is_timestamp(column.type):
            found[column.name] = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=value)
        elif pa.types.is_string(column.type):
            found[column.name] = f"x{value}"
        elif pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            found[column.name] = value
        elif pa.types.is_boolean(column.type):
            found[column.name] = False
        else:
            found[column.name] = None
    attributes = dict.fromkeys(spec.attributes, "x") if spec.attributes else None
    return pa.Table.from_pylist([found], schema=spec.schema.with_metadata(attributes))


class WorkedLake:
    """Publishes like runs would: each artifact names what it was made from."""

    def __init__(self, home: Path) -> None:
        self.lab = Lab.create(home)
        self.store = self.lab.artifacts

    def put(self, wanted: Sequence[tuple[ArtifactType, dict[str, str], pa.Table, Sequence[str]]]) -> list[str]:
        requests = [
            PublishRequest(spec.name, spec.version, format_key(spec, key), table, WRITER, input_artifact_ids=inputs)
            for spec, key, table, inputs in wanted
        ]
        return [result.artifact_id for result in self.store.publish_many(requests)]

    def alerts(self, days: Sequence[date], value: int = 1) -> list[str]:
        keys = [{"day": str(day), "chain": SOLANA} for day in days]
        return self.put([(ALERTS, key, row(ALERTS, value), ()) for key in keys])

    def asked(self, days: Sequence[date]) -> None:
        """The record that candles were asked for, for the day's current alerts."""
        empty = SLICE_QUARANTINE.schema.empty_table()
        inputs = {day: [head.artifact_id for head in self.store.heads(ALERTS.name, f"day={day}/")] for day in days}
        self.put([(SLICE_QUARANTINE, {"day": str(day)}, empty, inputs[day]) for day in days])

    def slices(self, tokens: Sequence[Token], value: int = 1) -> list[str]:
        keys = [slice_key_parts(token, "1m", *cohort_window(DAYS[0])) for token in tokens]
        return self.put([(OHLCV_SLICE, key, row(OHLCV_SLICE, value), ()) for key in keys])

    def series(self, tokens: Sequence[Token], value: int = 1) -> None:
        found = {token: self.store.heads(OHLCV_SLICE.name, f"token={token.address}/") for token in tokens}
        ids = {token: [head.artifact_id for head in heads] for token, heads in found.items()}
        table = row(TOKEN_CANDLES, value)
        self.put([(TOKEN_CANDLES, {**token.key_parts, "res": "1m"}, table, ids[token]) for token in tokens])

    def freeze(self, of: str, spec: ArtifactType) -> None:
        members = self.store.heads(spec.name)
        inputs = [member.artifact_id for member in members]
        self.put([(ARTIFACT_SET, {"of": of, "selection": "current"}, frozen_set_table(members), inputs)])

    def count_calls(self, value: int = 1) -> None:
        self.put(
            [(TOKEN_CALLS, {"selection": "current"}, row(TOKEN_CALLS, value), [self.set_of("alerts").artifact_id])]
        )

    def set_of(self, of: str) -> Artifact:
        (found,) = self.store.heads(ARTIFACT_SET.name, f"of={of}/selection=current")
        return found

    def judged(self) -> dict[str, AssetFreshness]:
        return lake_freshness(self.lab)

    def outdated(self) -> dict[str, int]:
        return {asset: len(one.outdated) for asset, one in self.judged().items() if one.outdated}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> WorkedLake:
    """Everything of it is current, but for coverage and projection, which nobody made."""
    lake = WorkedLake(tmp_path_factory.mktemp("worked") / "lake")
    lake.alerts(DAYS)
    lake.asked(DAYS)
    lake.slices(TOKENS)
    lake.series(TOKENS)
    lake.freeze("alerts", ALERTS)
    lake.freeze("candles", TOKEN_CANDLES)
    lake.count_calls()
    return lake


NEVER_MADE = {
    "alert_forward_coverage": 1,
    "coverage_gaps": 1,
    "coverage_summary": 1,
    "research_projection": 1,
}


def test_over_a_hundred_days_and_tokens_one_change_is_found_and_nothing_else(built: WorkedLake) -> None:
    assert built.outdated() == NEVER_MADE
    before = built.store.heads(ALERTS.name, f"day={DAYS[57]}/")[0].artifact_id
    (after,) = built.alerts([DAYS[57]], value=2)

    found = built.judged()
    assert built.outdated() == {**NEVER_MADE, "alert_set": 1, "ohlcv_slices": 1}
    (only,) = found["alert_set"].outdated
    assert [(old.artifact_id, old.replaced_by) for old in only.replaced] == [(before, after)]
    assert (only.newer, only.withdrawn) == ((), ())
    assert found["ohlcv_slices"].partitions == (str(DAYS[57]),)
    assert not_current(found, "token_calls") == ("alert_set",)
    assert not_current(found, "research_projection") == ("alert_set", "ohlcv_slices")
    report = stale(built.store)
    assert {item.artifact.logical_key for item in report.artifacts} == {
        f"day={DAYS[57]}",  # the record of what was asked for on that day
        "of=alerts/selection=current",
        "selection=current",
    }

    verdict = verdict_of(found, "alert_set")
    assert (verdict.passed, verdict.is_error) == (False, False)
    assert verdict.description == "not current: 1 replaced inputs"
    assert verdict.metadata["changed inputs"].records[0].data == {
        "partition": "",
        "made": built.set_of("alerts").artifact_id,
        "change": "replaced inputs",
        "input": before,
        "replaced by": after,
    }
    assert verdict_of(found, "token_calls").description == "upstream not current: alert_set"

    built.asked([DAYS[57]])
    built.freeze("alerts", ALERTS)
    built.count_calls(value=2)
    assert built.outdated() == NEVER_MADE
    assert verdict_of(built.judged(), "token_calls").passed
    assert not stale(built.store).artifact_count


def test_newer_inputs_are_told_from_replaced_ones_and_cut_after_some(built: WorkedLake) -> None:
    """`stale` knows nothing of them: nothing was replaced."""
    later = [DAYS[-1] + timedelta(days=number) for number in range(1, 26)]
    new = built.alerts(later)
    assert not stale(built.store).artifact_count
    found = built.judged()
    (only,) = found["alert_set"].outdated
    assert set(only.newer) == set(new)
    assert found["ohlcv_slices"].partitions == tuple(map(str, later))
    assert all(one.is_missing for one in found["ohlcv_slices"].outdated)
    verdict = verdict_of(found, "alert_set")
    assert verdict.description == "not current: 25 newer inputs"
    assert len(verdict.metadata["changed inputs"].records) == MOST_ROWS
    assert verdict.metadata["not shown"] == 25 - MOST_ROWS
    built.asked(later)
    built.freeze("alerts", ALERTS)
    built.count_calls(value=3)
    assert built.outdated() == NEVER_MADE


def test_unchanged_content_and_content_that_came_back_make_nothing_outdated(built: WorkedLake) -> None:
    built.slices(TOKENS)
    built.alerts(DAYS[:5])
    assert built.outdated() == NEVER_MADE
    built.slices(TOKENS[:1], value=7)
    assert built.judged()["token_candles"].partitions == (TOKENS[0].partition_key,)
    built.series(TOKENS[:1], value=1)  # of another slice, and equal: its content is known to follow from either
    built.slices(TOKENS[:1], value=1)
    assert built.outdated() == NEVER_MADE


def test_one_slice_of_120_brings_its_series_then_its_set(built: WorkedLake) -> None:
    built.slices([TOKENS[77]], value=5)
    assert built.outdated() == {**NEVER_MADE, "token_candles": 1}
    found = built.judged()
    assert found["token_candles"].partitions == (TOKENS[77].partition_key,)
    assert not_current(found, "research_projection") == ("token_candles",)
    built.series([TOKENS[77]], value=5)
    assert built.outdated() == {**NEVER_MADE, "candle_set": 1}
    built.slices([TOKENS[77]])
    built.series([TOKENS[77]])
    assert built.outdated() == NEVER_MADE, "the first series came back, and the set is of it"


def test_a_withdrawn_input_and_a_damaged_one_are_errors_and_no_mere_news(built: WorkedLake) -> None:
    (withdrawn,) = built.slices([TOKENS[3]], value=9)
    built.series([TOKENS[3]], value=9)
    built.freeze("candles", TOKEN_CANDLES)
    built.store.tombstone(withdrawn, reason="the source was wrong")
    found = built.judged()
    (only,) = found["token_candles"].outdated
    assert (only.withdrawn, only.replaced, only.newer) == ((withdrawn,), (), ())
    assert verdict_of(found, "token_candles").is_error
    built.slices([TOKENS[3]], value=1)
    built.series([TOKENS[3]], value=1)
    built.freeze("candles", TOKEN_CANDLES)
    assert built.outdated() == NEVER_MADE

    damaged = built.store.heads(ALERTS.name, f"day={DAYS[9]}/")[0]
    path = Path(damaged.path_parquet)
    kept = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(kept[:-1] + b"?")
    assert not verify(built.store).is_whole
    verdict = verdict_of(built.judged(), "alert_set")
    assert (verdict.passed, verdict.is_error) == (False, True)
    assert damaged.artifact_id in verdict.description
    path.write_bytes(kept)
    assert verify(built.store).is_whole
    assert verdict_of(built.judged(), "alert_set").passed
