"""The authoritative cases of semantics v1, where the shared material lies beside the repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.simulation.engine import simulate
from quantlab_core.simulation.strategy import parse_strategy

CASES = Path(__file__).resolve().parents[4] / "shared" / "cases" / "simulation_golden.json"
DOCUMENT: dict[str, Any] = json.loads(CASES.read_text()) if CASES.exists() else {"cases": []}
TOLERANCE = 1e-12


def runs() -> list[Any]:
    found = [
        pytest.param(case, number, id=f"{case['id']}-{number}")
        for case in DOCUMENT["cases"]
        for number in range(len(case["alerts"]))
    ]
    reason = "the shared golden cases are not beside this repository"
    return found or [pytest.param(None, 0, marks=pytest.mark.skip(reason=reason))]


@pytest.mark.parametrize(("case", "number"), runs())
def test_the_engine_reproduces_every_shared_golden_case(case: dict[str, Any], number: int) -> None:
    t0_ms = DOCUMENT["t0_ms"]
    alert, expected = case["alerts"][number], case["expected"][number]
    overrides = {key: value for key, value in alert.items() if key != "alert_s"}
    trade = simulate(
        CandleSeries.from_rows((t0_ms + 60_000 * minute, *prices) for minute, *prices in case["candles"]),
        alert_ts_ms=t0_ms + 1_000 * alert["alert_s"],
        strategy=parse_strategy(case["config"] | overrides),
    )
    assert trade.status == expected["status"]
    assert trade.reason == expected.get("reason")
    if trade.position is None:
        assert expected["exits"] == []
        return
    position = trade.position
    assert position.entry_ts_ms == t0_ms + 60_000 * expected["entry_min"]
    assert position.entry_price == pytest.approx(expected["entry_price"], abs=TOLERANCE)
    assert position.gross_return == pytest.approx(expected["gross_return"], abs=TOLERANCE)
    assert position.net_return == pytest.approx(expected["net_return"], abs=TOLERANCE)
    assert position.is_ambiguous == expected["ambiguous"]
    assert position.is_censored == expected["is_censored"]
    assert len(position.exits) == len(expected["exits"])
    for leg, wanted in zip(position.exits, expected["exits"], strict=True):
        assert leg.fraction == pytest.approx(wanted["fraction"], abs=TOLERANCE)
        assert leg.raw_price == pytest.approx(wanted["raw_price"], abs=TOLERANCE)
        assert leg.candle_ts_ms == t0_ms + 60_000 * wanted["candle_min"]
        assert leg.ts_ms == t0_ms + 1_000 * wanted["exit_s"]
        assert leg.reason == wanted["reason"]
