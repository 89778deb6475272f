"""Real candles and a real call group through the whole graph, where the shared material lies beside the repository."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from quantlab_assets.workflows.create_experiment import create_experiment
from quantlab_assets.workflows.execute_experiment import execute_experiment
from quantlab_assets.workflows.import_candles import import_candle_file
from quantlab_assets.workflows.ingest_alerts import ingest_telegram_export
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.refresh_research import refresh_research
from quantlab_core.experiments.experiment import ExperimentStatus
from quantlab_resources.artifacts.upkeep.verification import verify
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.lab import Lab
from quantlab_tests.assets.small_inputs import heads, rows, write_export
from quantlab_tests.assets.small_research import HOLD_1H, hold_1h
from quantlab_tests.core.alerts.invented_chat import NOON, contract, exported, mint

SHARED = Path(__file__).resolve().parents[3] / "shared"
CANDLES = SHARED / "data" / "ohlcv" / "geckoterminal_1m_dex"
EXCERPT = SHARED / "data" / "telegram" / "call_group_excerpt"

pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="the shared cases and data are not beside this repository")

CALLED_AT = datetime(2025, 10, 2, 20, 30, tzinfo=UTC)
PATIENT = {**HOLD_1H, "max_entry_wait_s": 1_800}
"""Waits half an hour for a candle: one of the tokens is silent for longer than the usual five minutes."""

TOKENS = {
    "SOL": ("solana", mint("real sol")),
    "ETH": ("ethereum", contract("real eth")),
    "BNB": ("bsc", contract("bnb")),
}
"""By the beginning of the file names: the chain, and an address of the test's own."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeRuns]:
    """Three calls at the same moment, and both files of each token."""
    folder = tmp_path_factory.mktemp("real")
    with dg.DagsterInstance.ephemeral() as instance:
        made = LakeRuns(Lab.create(folder / "lake"), instance)
        at = int((CALLED_AT - NOON).total_seconds())
        calls = [exported(n, address, at=at) for n, (_, address) in enumerate(TOKENS.values(), 1)]
        days = ingest_telegram_export(made, write_export(folder / "export.json", *calls)).days
        for name, (chain, token) in TOKENS.items():
            for path in sorted(CANDLES.glob(f"{name}_*.csv")):
                import_candle_file(made, path, CandleFileDeclaration(token=token, chain=chain))
        refresh_research(made, days)
        yield made


def exported_candles(name: str) -> dict[datetime, list[dict[str, float]]]:
    """The rows of both files of a token by open time, read with the standard library."""
    found: dict[datetime, list[dict[str, float]]] = defaultdict(list)
    for path in sorted(CANDLES.glob(f"{name}_*.csv")):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                found[datetime.fromtimestamp(int(row["ts"]), UTC)].append({k: float(v) for k, v in row.items()})
    return found


def test_every_candle_of_both_files_is_in_the_series_of_its_token(runs: LakeRuns) -> None:
    series = {head.logical_key: head for head in heads(runs, "token_candles_v1").values()}
    assert len(series) == 3
    for name, (_, token) in TOKENS.items():
        ((_, head),) = [(key, head) for key, head in series.items() if f"token={token}/" in key]
        stored = {row["ts"]: row for row in runs.lab.artifacts.read(head.artifact_id).to_pylist()}
        exported_rows = exported_candles(name)
        assert set(stored) == set(exported_rows)
        for ts, row in stored.items():
            assert row["close"] in {candle["c"] for candle in exported_rows[ts]}


def test_coverage_of_the_first_hour_counts_the_minutes_that_are_there(runs: LakeRuns) -> None:
    measured = {row["alert_id"]: row for row in rows(runs, "alert_forward_coverage_v1") if row["horizon_h"] == 1}
    alerts = {row["mint"]: row for row in rows(runs, "alerts_v1")}
    for name, (_, token) in TOKENS.items():
        coverage = measured[alerts[token]["alert_id"]]
        hour = [ts for ts in exported_candles(name) if CALLED_AT < ts <= CALLED_AT + timedelta(hours=1)]
        assert coverage["present_minutes"] == len(hour), name
        assert (coverage["expected_minutes"], coverage["spanned_minutes"], coverage["verdict"]) == (60, 60, "good")


def test_an_experiment_enters_at_the_first_open_after_the_call_and_holds_an_hour(runs: LakeRuns) -> None:
    experiment_id = create_experiment(runs, hold_1h("real hour", strategy=PATIENT)).definition.experiment_id
    experiment = execute_experiment(runs, experiment_id).experiment
    assert experiment.status is ExperimentStatus.COMPLETED
    assert experiment.outputs is not None
    trades = runs.lab.artifacts.read(str(experiment.outputs.trades_artifact_id)).to_pylist()
    by_token = {trade["token"]: trade for trade in trades}
    for name, (_, token) in TOKENS.items():
        trade, candles = by_token[token], exported_candles(name)
        assert (trade["status"], trade["exit_reason"], trade["is_censored"]) == ("closed", "time_exit", False)
        first_after = min(ts for ts in candles if ts > CALLED_AT)
        last_before_deadline = max(ts for ts in candles if ts < first_after + timedelta(hours=1))
        assert trade["entry_ts"] == first_after
        assert trade["entry_raw_price"] in {candle["o"] for candle in candles[first_after]}
        assert trade["avg_exit_raw_price"] in {candle["c"] for candle in candles[last_before_deadline]}
    assert verify(runs.lab.artifacts).is_whole


def test_the_call_group_gives_exactly_its_expected_calls(lab: Lab, instance: dg.DagsterInstance) -> None:
    made = LakeRuns(lab, instance)
    ingest_telegram_export(made, EXCERPT / "result.json")
    found: dict[int, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for alert in rows(made, "alerts_v1"):
        called = (alert["called_address"], alert["mint"], alert["chain"], alert["address_kind"])
        found[alert["alert_message_id"]][called] += 1
    lines = [json.loads(line) for line in (EXCERPT / "expected.jsonl").read_text("utf-8").splitlines()]
    expected = {line["message_id"]: Counter(map(expected_call, line["tokens"])) for line in lines if line["is_alert"]}
    assert expected
    assert found == expected


def expected_call(token: dict[str, Any]) -> tuple[str, ...]:
    resolved = str(token.get("resolved_token") or token["address"])
    mint_ = resolved.lower() if resolved.startswith("0x") else resolved
    return (token["address"], mint_, token["chain"], token["address_kind"])
