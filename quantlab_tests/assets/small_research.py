"""A lake with four calls on three days and candles for three of them: enough for an experiment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from quantlab_assets.workflows.import_candles import import_candle_file
from quantlab_assets.workflows.ingest_alerts import ingest_telegram_export
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.refresh_research import refresh_research
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.experiments.experiment_freezing import ExperimentRequest
from quantlab_resources.lab import Lab
from quantlab_tests.assets.small_inputs import DAY_S, minutes, write_candles, write_export
from quantlab_tests.core.alerts.invented_chat import NOON, exported, mint

OWL, FOX, ELK, HEN = mint("owl"), mint("fox"), mint("elk"), mint("hen")
NEXT_NOON = NOON + timedelta(days=1)
HOLD_1H = {"name": "hold_1h", "max_hold_min": 60, "fee": 0.0, "slippage": 0.0, "stake": 100.0}
"""Bought at the first open after the call, sold an hour later, without costs."""


@contextmanager
def small_research(folder: Path) -> Iterator[LakeRuns]:
    """The lake and its runs. Within the hour owl doubles, fox halves, elk stays as it is; hen has no candles at all."""
    with dg.DagsterInstance.ephemeral() as instance:
        runs = LakeRuns(Lab.create(folder / "lake"), instance)
        calls = [
            exported(10, OWL),
            exported(11, FOX, at=60, sender="bob"),
            exported(20, ELK, at=DAY_S),
            exported(30, HEN, at=2 * DAY_S),
        ]
        days = ingest_telegram_export(runs, write_export(folder / "export.json", *calls)).days
        series = {
            OWL: minutes([1.0] * 30 + [2.0] * 60),
            FOX: minutes([4.0] * 30 + [2.0] * 60),
            ELK: minutes([5.0] * 90, start=NEXT_NOON),
        }
        declared = CandleFileDeclaration(span_from=NOON - timedelta(hours=1), span_to=NOON + timedelta(days=4))
        import_candle_file(runs, write_candles(folder / "candles.csv", series), declared)
        refresh_research(runs, days)
        yield runs


def hold_1h(name: str = "hold an hour", **more: Any) -> ExperimentRequest:
    """A request for an experiment with `HOLD_1H`."""
    return ExperimentRequest(**{"name": name, "strategy": HOLD_1H, **more})
