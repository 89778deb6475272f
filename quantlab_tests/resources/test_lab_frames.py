"""`Lab.alerts` and `Lab.candles`: the current rows of a lake as polars frames."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from quantlab_core.alerts.artifact_types import ALERTS
from quantlab_core.artifacts.artifact import PublishRequest, Writer
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.candles.artifact_types import CANDLE_SCHEMA, OHLCV_SLICE, TOKEN_CANDLES
from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.candles.source_spans import SourceSpan, encode_spans
from quantlab_core.errors import ArtifactDamagedError, InvalidInputError, LakeNotFoundError
from quantlab_core.projections.projection_builder import ProjectionRequest
from quantlab_resources.lab import Lab

NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)
OWL, FOX = "owl" * 12, "0x" + "ab" * 20
WRITER = Writer("test", "1", "0" * 40, False)
ATTRIBUTES = {
    "resolution": "1m",
    "source": "file",
    "price_unit": "usd",
    "volume_unit": "usd",
}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab.create(tmp_path / "lake")


def publish(lab: Lab, spec: ArtifactType, key: str, table: pa.Table) -> str:
    request = PublishRequest(spec.name, spec.version, key, table, WRITER)
    return lab.artifacts.publish(request).artifact_id


def calls(lab: Lab, day: str, times: Sequence[str], chain: str = "solana") -> str:
    """Alerts of one day at these times; message ids count from 1."""
    rows = [
        {
            "alert_ts_utc": datetime.fromisoformat(f"{day}T{time}+00:00"),
            "alert_id": f"{day}-{chain}-{number}",
            "chain": chain,
            "mint": OWL,
            "called_address": OWL,
            "address_kind": "token",
            "mint_source": "text",
            "alert_chat_id": 7,
            "alert_message_id": number,
            "token_proven_at_call": True,
        }
        for number, time in enumerate(times, start=1)
    ]
    return publish(lab, ALERTS, f"day={day}/chain={chain}", pa.Table.from_pylist(rows, schema=ALERTS.schema))


def candles(
    lab: Lab,
    spec: ArtifactType,
    closes: Sequence[float],
    *,
    start: datetime = NOON,
    token: str = OWL,
    chain: str = "solana",
    resolution: str = "1m",
) -> str:
    """One candle per step from ``start``: a slice whose window ends with the last, or a token's series; all spanned."""
    step = RESOLUTIONS[resolution]
    rows = [
        {
            "token_address": token,
            "chain": chain,
            "ts": start + number * step,
            **dict.fromkeys(("open", "high", "low", "close"), close),
            "volume": 1.0,
        }
        for number, close in enumerate(closes)
    ]
    end = start + len(closes) * step
    named = f"token={token}" + ("" if chain == "solana" else f"/chain={chain}") + f"/res={resolution}"
    window = f"/from={start:%Y-%m-%dT%H:%M:%SZ}/to={end:%Y-%m-%dT%H:%M:%SZ}"
    spans = encode_spans([SourceSpan(start, end)])
    schema = spec.schema.with_metadata({**ATTRIBUTES, "resolution": resolution, "source_spans": spans})
    key = named + (window if spec is OHLCV_SLICE else "")
    return publish(lab, spec, key, pa.Table.from_pylist(rows, schema=schema))


def closes(frame: pl.DataFrame) -> list[float]:
    return frame["close"].to_list()


def test_alerts_of_a_range_come_sorted_by_time_whatever_day_and_chain_holds_them(lab: Lab) -> None:
    calls(lab, "2025-05-01", ["23:00:00", "01:00:00"])
    calls(lab, "2025-05-01", ["12:00:00"], chain="base")
    calls(lab, "2025-05-02", ["00:00:00"])
    calls(lab, "2025-05-03", ["00:00:00"])
    frame = lab.alerts("2025-05-01", "2025-05-02")
    assert frame["alert_id"].to_list() == [
        "2025-05-01-solana-2",
        "2025-05-01-base-1",
        "2025-05-01-solana-1",
        "2025-05-02-solana-1",
    ]
    assert frame.columns == ALERTS.schema.names
    assert frame.schema["alert_ts_utc"] == pl.Datetime("us", "UTC")


def test_alerts_of_one_chain_and_of_a_month_across_a_year(lab: Lab) -> None:
    calls(lab, "2024-12-31", ["01:00:00"])
    calls(lab, "2025-01-01", ["01:00:00"], chain="base")
    assert lab.alerts("2024-12-15", "2025-01-15").height == 2
    assert lab.alerts("2024-12-15", "2025-01-15", chain="base")["chain"].to_list() == ["base"]


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2025, 5, 1), date(2025, 5, 2)),
        ("2025-05-01", datetime(2025, 5, 2, 8, tzinfo=UTC)),
        (datetime(2025, 5, 1, 23, tzinfo=timezone(timedelta(hours=-2))), "2025-05-02T00:00:00Z"),
    ],
)
def test_days_may_be_dates_times_or_text(lab: Lab, first: Any, last: Any) -> None:
    calls(lab, "2025-05-02", ["10:00:00"])
    assert lab.alerts(first, last).height == 1


def test_a_superseded_day_shows_only_what_is_current(lab: Lab) -> None:
    calls(lab, "2025-05-01", ["10:00:00"])
    calls(lab, "2025-05-01", ["11:00:00", "12:00:00"])
    assert lab.alerts("2025-05-01", "2025-05-01").height == 2


def test_nothing_is_an_empty_frame_with_the_same_columns(lab: Lab) -> None:
    assert lab.alerts("2025-05-01", "2025-05-31").schema == {
        **lab.alerts("2025-05-01", "2025-05-01").schema,
        "alert_ts_utc": pl.Datetime("us", "UTC"),
    }
    frame = lab.candles(OWL, "2025-05-01", "2025-05-02")
    assert (frame.height, frame.columns) == (0, CANDLE_SCHEMA.names)


def test_an_artifact_whose_key_names_no_day_is_left_out(lab: Lab) -> None:
    """Others may publish any key under a version that the lab does not know."""
    calls(lab, "2025-05-01", ["10:00:00"])
    table = pa.table({"n": [1]})
    lab.artifacts.publish(PublishRequest("alerts_v1", 99, "day=2025-05-01/everything", table, WRITER))
    assert lab.alerts("2025-05-01", "2025-05-01").height == 1


def test_candles_are_cut_to_the_range_whose_end_is_not_in_it(lab: Lab) -> None:
    candles(lab, TOKEN_CANDLES, [1.0, 2.0, 3.0, 4.0])
    frame = lab.candles(OWL, NOON + timedelta(minutes=1), NOON + timedelta(minutes=3))
    assert closes(frame) == [2.0, 3.0]
    assert frame["ts"].to_list() == [NOON + timedelta(minutes=1), NOON + timedelta(minutes=2)]
    assert closes(lab.candles(f"solana:{OWL}", "2025-05-01", "2025-05-02")) == [1.0, 2.0, 3.0, 4.0]
    assert lab.candles(OWL, "2025-05-02", "2025-05-03").height == 0


def test_the_merged_series_answers_before_slices_do(lab: Lab) -> None:
    candles(lab, OHLCV_SLICE, [9.0])
    assert closes(lab.candles(OWL, "2025-05-01", "2025-05-02")) == [9.0]
    candles(lab, TOKEN_CANDLES, [1.0])
    assert closes(lab.candles(OWL, "2025-05-01", "2025-05-02")) == [1.0]


def test_slices_that_overlap_are_merged_and_others_are_not_even_read(lab: Lab) -> None:
    candles(lab, OHLCV_SLICE, [1.0, 2.0, 3.0])
    candles(lab, OHLCV_SLICE, [3.0, 4.0], start=NOON + timedelta(minutes=2))
    elsewhere = candles(lab, OHLCV_SLICE, [7.0], start=NOON + timedelta(days=9))
    damage(lab, elsewhere)
    assert closes(lab.candles(OWL, "2025-05-01", "2025-05-02")) == [1.0, 2.0, 3.0, 4.0]
    with pytest.raises(ArtifactDamagedError):
        lab.candles(OWL, "2025-05-01", "2025-05-11")


def test_resolutions_are_kept_apart(lab: Lab) -> None:
    candles(lab, OHLCV_SLICE, [1.0, 2.0])
    candles(lab, OHLCV_SLICE, [5.0], resolution="5m")
    assert closes(lab.candles(OWL, "2025-05-01", "2025-05-02", "5m")) == [5.0]
    assert lab.candles(OWL, "2025-05-01", "2025-05-02", resolution="1h").height == 0


def test_a_resolution_that_is_not_stored_is_made_of_the_finest_that_is(lab: Lab) -> None:
    """Minutes 1 to 10 from noon make 5 (last of the first five) and 10; the five-minute candles are passed over."""
    candles(lab, OHLCV_SLICE, [99.0] * 3, resolution="5m")
    candles(lab, OHLCV_SLICE, [float(number) for number in range(1, 16)])
    frame = lab.candles(OWL, "2025-05-01", "2025-05-02", "15m")
    assert frame.rows() == [(OWL, "solana", NOON, 1.0, 15.0, 1.0, 15.0, 15.0)]
    assert frame.columns == CANDLE_SCHEMA.names
    assert closes(lab.candles(OWL, "2025-05-01", "2025-05-02", "5m")) == [99.0, 99.0, 99.0]


def test_each_part_of_a_range_comes_from_the_best_resolution_that_was_asked_for_there(lab: Lab) -> None:
    """Minutes were asked for on the first day, five-minute candles on the sixth: neither hides the other."""
    candles(lab, TOKEN_CANDLES, [float(number) for number in range(1, 16)])
    candles(lab, TOKEN_CANDLES, [50.0, 51.0, 52.0], start=NOON + timedelta(days=5), resolution="5m")

    assert closes(lab.candles(OWL, "2025-05-01", "2025-05-31", "15m")) == [15.0, 52.0]
    assert closes(lab.candles(OWL, "2025-05-06", "2025-05-07", "15m")) == [52.0]
    assert closes(lab.candles(OWL, "2025-05-01", "2025-05-31", "5m")) == [5.0, 10.0, 15.0, 50.0, 51.0, 52.0]


def test_silence_of_a_better_resolution_is_not_filled_from_a_worse_one(lab: Lab) -> None:
    """Nobody traded in the second five minutes, says who was asked for such; stray minutes do not gainsay it."""
    candles(lab, OHLCV_SLICE, [1.0] * 15)
    five_minutes = candles(lab, TOKEN_CANDLES, [9.0], resolution="5m")
    spans = encode_spans([SourceSpan(NOON, NOON + timedelta(minutes=10))])
    table = lab.artifacts.read(five_minutes)
    widened = table.replace_schema_metadata({**(table.schema.metadata or {}), b"source_spans": spans.encode()})
    publish(lab, TOKEN_CANDLES, f"token={OWL}/res=5m", widened)

    frame = lab.candles(OWL, "2025-05-01", "2025-05-02", "5m")

    assert [(row["ts"].minute, row["close"]) for row in frame.to_dicts()] == [(0, 9.0), (10, 1.0)]


def test_resolutions_in_different_units_make_no_common_candles(lab: Lab) -> None:
    candles(lab, OHLCV_SLICE, [1.0] * 5)
    head = candles(lab, OHLCV_SLICE, [2.0], start=NOON + timedelta(minutes=5), resolution="5m")
    table = lab.artifacts.read(head)
    in_sol = table.replace_schema_metadata({**(table.schema.metadata or {}), b"price_unit": b"sol"})
    publish(lab, OHLCV_SLICE, lab.artifacts.get_artifact(head).logical_key, in_sol)

    with pytest.raises(InvalidInputError, match="have price unit sol and usd"):
        lab.candles(OWL, "2025-05-01", "2025-05-02", "5m")
    assert closes(lab.candles(OWL, NOON + timedelta(minutes=5), NOON + timedelta(minutes=10), "5m")) == [2.0]


def test_slices_of_the_earlier_store_are_found_however_their_key_spells_the_address(lab: Lab) -> None:
    spelled = "0x" + "aB" * 20
    columns = {name: [3.0] for name in ("open", "high", "low", "close", "volume")}
    table = pa.table({"token_address": [spelled], "timestamp": [NOON.replace(tzinfo=None)], **columns})
    key = f"token={spelled}/res=1m/from=2025-05-01T00:00:00.000Z/to=2025-05-02T00:00:00.000Z"
    lab.artifacts.publish(PublishRequest(OHLCV_SLICE.name, 2, key, table, WRITER))

    for asked in (spelled, FOX, spelled.upper().replace("X", "x")):
        assert closes(lab.candles(asked, "2025-05-01", "2025-05-02")) == [3.0], asked


@pytest.mark.parametrize("spec", [OHLCV_SLICE, TOKEN_CANDLES])
def test_the_edges_of_a_range_make_no_partial_candles(lab: Lab, spec: ArtifactType) -> None:
    """Candles that open in the range are whole, also beyond its end; what opens before its start is not given."""
    candles(lab, spec, [float(number) for number in range(20)])

    def asked(start: float, end: float) -> list[tuple[int, float, float]]:
        frame = lab.candles(OWL, NOON + timedelta(minutes=start), NOON + timedelta(minutes=end), "5m")
        return [(row["ts"].minute, row["open"], row["close"]) for row in frame.to_dicts()]

    whole = [(0, 0.0, 4.0), (5, 5.0, 9.0), (10, 10.0, 14.0), (15, 15.0, 19.0)]
    assert asked(0, 20) == asked(-60, 60) == whole
    assert asked(0, 11) == whole[:3]
    assert asked(1, 10.5) == whole[1:3]
    assert asked(5, 10) == whole[1:2]
    assert asked(6, 9) == []


def test_a_bucket_across_two_slices_is_whole_and_one_at_the_end_of_all_is_left_out(lab: Lab) -> None:
    candles(lab, OHLCV_SLICE, [1.0, 2.0, 3.0])
    candles(lab, OHLCV_SLICE, [4.0, 5.0, 6.0, 7.0], start=NOON + timedelta(minutes=3))
    frame = lab.candles(OWL, NOON, NOON + timedelta(minutes=2), "5m")
    assert (frame["ts"].to_list(), closes(frame), frame["volume"].to_list()) == ([NOON], [5.0], [5.0])
    assert closes(lab.candles(OWL, "2025-05-01", "2025-05-02", "5m")) == [5.0]


def test_an_address_on_several_chains_needs_its_chain(lab: Lab) -> None:
    candles(lab, OHLCV_SLICE, [1.0], token=FOX, chain="base")
    assert closes(lab.candles(FOX.upper().replace("X", "x"), "2025-05-01", "2025-05-02")) == [1.0]
    candles(lab, OHLCV_SLICE, [2.0], token=FOX, chain="bsc")
    with pytest.raises(InvalidInputError, match=r"base and bsc; name one as chain"):
        lab.candles(FOX, "2025-05-01", "2025-05-02")
    assert closes(lab.candles(FOX, "2025-05-01", "2025-05-02", chain="bsc")) == [2.0]
    assert closes(lab.candles(f"bsc:{FOX}", "2025-05-01", "2025-05-02")) == [2.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((OWL, "2025-05-02", "2025-05-01"), "is not before"),
        ((OWL, "2025-05-01", "2025-05-01"), "is not before"),
        ((OWL, datetime(2025, 5, 1), "2025-05-02"), "start 2025-05-01T00:00:00 has no time zone"),  # noqa: DTZ001
        ((OWL, "yesterday", "2025-05-02"), "start: 'yesterday' is neither a date"),
        ((OWL, "2025-05-01", "2025-05-02", "7m"), "'7m' is no resolution"),
        (("solana:", "2025-05-01", "2025-05-02"), "names no token"),
        (("base:0x1", "2025-05-01", "2025-05-02", "1m", "bsc"), "is on base, not on bsc"),
    ],
)
def test_what_makes_no_range_of_candles_is_refused(lab: Lab, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        lab.candles(*arguments)


def test_what_makes_no_range_of_days_is_refused(lab: Lab) -> None:
    with pytest.raises(InvalidInputError, match="from 2025-05-02 is after to 2025-05-01"):
        lab.alerts("2025-05-02", "2025-05-01")
    with pytest.raises(InvalidInputError, match="to: 'May' is neither"):
        lab.alerts("2025-05-02", "May")


def test_damage_and_a_missing_lake_are_said(lab: Lab, tmp_path: Path) -> None:
    damage(lab, calls(lab, "2025-05-01", ["10:00:00"]))
    with pytest.raises(ArtifactDamagedError):
        lab.alerts("2025-05-01", "2025-05-01")
    with pytest.raises(LakeNotFoundError):
        Lab(tmp_path / "none").alerts("2025-05-01", "2025-05-01")


def test_a_lab_does_not_import_polars_before_a_frame_is_asked_for(lab: Lab) -> None:
    script = f"import sys; from quantlab_resources.lab import Lab; Lab({str(lab.paths.home)!r}).artifacts.heads('x'); "
    script += "assert 'polars' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_lines_of_the_readme_run(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls(lab, "2025-05-03", ["12:00:00"])
    series = candles(lab, TOKEN_CANDLES, [1.0, 2.0], start=NOON + timedelta(days=2))
    lab.projections.build(ProjectionRequest("research", {"ohlcv": [series]}))
    text = (Path(__file__).parents[2] / "README.md").read_text("utf-8").split("## In Python")[1].split("##")[0]
    lines = [line.strip() for line in text.splitlines() if line.startswith("    ") and "experiments" not in line]
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec("\n".join(lines), names)  # noqa: S102 - the page is ours
    assert names["alerts"].height == 1
    assert names["candles"]["close"].to_list() == [1.0, 2.0]


def damage(lab: Lab, artifact_id: str) -> None:
    path = Path(lab.artifacts.get_artifact(artifact_id).path_parquet)
    path.chmod(0o644)
    path.write_bytes(b"PAR1" + path.read_bytes()[4:-4] + b"XXXX")
