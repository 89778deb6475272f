"""What Dagster shows of an export's and a day's soundness."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from quantlab_assets.workflows.ingest_alerts import ingest_telegram_export
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.alerts.export_tables import ExportTables, export_tables
from quantlab_core.errors import ConflictError
from quantlab_resources.alerts import read_ahead
from quantlab_resources.lab import Lab
from quantlab_tests.assets.small_inputs import heads, write_export
from quantlab_tests.core.alerts.invented_chat import NOON, contract, exported, mint

FAR_AHEAD_S = int(3e9 - NOON.timestamp())


@pytest.fixture
def runs(lab: Lab, instance: dg.DagsterInstance) -> LakeRuns:
    return LakeRuns(lab, instance)


def shown(runs: LakeRuns, asset: str, check: str) -> tuple[bool, str, dict[str, object]]:
    key = dg.AssetCheckKey(dg.AssetKey(asset), check)
    (found,) = runs.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert found.event is not None
    evaluation = found.event.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]
    facts = {name: value.value for name, value in evaluation.metadata.items()}
    return evaluation.passed, evaluation.severity.value, facts


def test_a_sound_export_passes_all_checks(runs: LakeRuns, tmp_path: Path) -> None:
    ingest_telegram_export(runs, write_export(tmp_path / "a.json", exported(1, mint("owl")), exported(2, "gm", at=5)))
    passed, _, facts = shown(runs, "telegram_messages", "every_message_is_accounted_for")
    assert passed
    assert {name: facts[name] for name in ("event", "non_alert", "duplicate", "quarantined")} == {
        "event": 1,
        "non_alert": 1,
        "duplicate": 0,
        "quarantined": 0,
    }
    for asset, check in (
        ("telegram_messages", "few_are_quarantined"),
        ("telegram_messages", "none_is_of_the_future"),
        ("alert_events", "chains_are_known"),
    ):
        assert shown(runs, asset, check)[0]


def test_odd_exports_come_in_with_warnings(runs: LakeRuns, tmp_path: Path) -> None:
    odd = (exported(1, contract("owl")), exported(2, mint("elk")[:-3], at=5), exported(3, "hello", at=FAR_AHEAD_S))
    ingest_telegram_export(runs, write_export(tmp_path / "a.json", *odd))
    assert shown(runs, "telegram_messages", "few_are_quarantined")[:2] == (False, "WARN")
    assert shown(runs, "telegram_messages", "none_is_of_the_future")[2]["future_messages"] == 1
    passed, severity, facts = shown(runs, "alert_events", "chains_are_known")
    assert (passed, severity, facts["unknown_chain"]) == (False, "WARN", 1)
    assert heads(runs, "alerts_v1")


def test_tables_that_lose_a_message_are_not_published(
    runs: LakeRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def losing(*arguments: object, **options: object) -> ExportTables:
        tables = export_tables(*arguments, **options)  # type: ignore[arg-type]
        return ExportTables(tables.messages, tables.dispositions.slice(1), tables.quarantine)

    monkeypatch.setattr(read_ahead, "export_tables", losing)
    with pytest.raises(ConflictError, match="every_message_is_accounted_for"):
        ingest_telegram_export(runs, write_export(tmp_path / "a.json", exported(1, mint("owl")), exported(2, "gm")))
    assert not heads(runs, "telegram_messages_v1")
