"""Quarantined messages are read again after a rule was mended: what changed is superseded, nothing else is touched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from quantlab_assets.workflows.ingest_alerts import ingest_telegram_export
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.replay_quarantine import replay_quarantine
from quantlab_core.alerts import alert_events, export_tables
from quantlab_core.alerts.alert_source import ReadOptions
from quantlab_core.alerts.classification import Classification
from quantlab_core.alerts.message_kinds import AMBIGUOUS
from quantlab_core.alerts.quarantine_replay import Redecision
from quantlab_core.alerts.telegram_message import TelegramMessage
from quantlab_core.artifacts.artifact import ArtifactStatus
from quantlab_resources.lab import Lab
from quantlab_tests.assets.small_inputs import DAY_S, FIRST, SECOND, added, artifacts, heads, rows, write_export
from quantlab_tests.core.alerts.invented_chat import CHAT, exported, mint
from quantlab_tests.resources.alerts.html_export import page

OWL_CALL = exported(10, mint("owl"))
FOX_CALL = exported(11, f"{mint('fox')} small bag", at=600, sender="bob")
CUT_SHORT = exported(12, mint("elk")[:-3], at=700)
NEXT_DAY_CALL = exported(20, mint("bat"), at=DAY_S)


@pytest.fixture
def runs(lab: Lab, instance: dg.DagsterInstance) -> LakeRuns:
    return LakeRuns(lab, instance)


@contextmanager
def yesterdays_rules(word: str) -> Iterator[None]:
    """Rules under which every message with this word was ambiguous."""
    today = export_tables.classify

    def then(message: TelegramMessage) -> Classification:
        if word in message.text:
            return Classification(AMBIGUOUS, rule_id="unknown_link", reason="nobody knew such links")
        return today(message)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export_tables, "classify", then)
        patch.setattr(alert_events, "classify", then)
        yield


def test_a_mended_rule_lets_its_messages_through_and_supersedes_what_it_changes_alone(
    runs: LakeRuns, tmp_path: Path
) -> None:
    with yesterdays_rules("small bag"):
        ingest_telegram_export(runs, write_export(tmp_path / "a.json", OWL_CALL, FOX_CALL, CUT_SHORT, NEXT_DAY_CALL))
    ingest_telegram_export(runs, write_export(tmp_path / "b.json", exported(30, mint("yak")[:-3], at=5)))
    assert {row["rule_id"] for row in rows(runs, "alerts_quarantine")} == {"unknown_link", "base58_wrong_length"}
    before = artifacts(runs)
    report = replay_quarantine(runs)
    assert report.messages == 3
    assert len(report.exports) == 1
    assert report.changes == (Redecision("unknown_link", "call", 1),)
    assert report.days == (date.fromisoformat(FIRST),)
    assert [row["message_id"] for row in rows(runs, "alerts_quarantine")] in ([12, 30], [30, 12])
    assert {row["mint"] for row in rows(runs, "alerts_v1")} == {mint("owl"), mint("fox"), mint("bat")}
    assert {kind for kind, _ in added(runs, before)} == {
        "message_dispositions_v1",
        "alerts_quarantine",
        "alerts_event_v1",
        "alerts_v1",
        "artifact_set",
        "token_calls_v1",
    }
    superseded = [a for a in artifacts(runs).values() if a.status is ArtifactStatus.SUPERSEDED]
    assert f"day={SECOND}/chain=solana" not in {artifact.logical_key for artifact in superseded}
    assert heads(runs, "alerts_v1")[f"day={FIRST}/chain=solana"].row_count == 2


def test_a_replay_that_changes_nothing_publishes_nothing(runs: LakeRuns, tmp_path: Path) -> None:
    ingest_telegram_export(runs, write_export(tmp_path / "a.json", OWL_CALL, CUT_SHORT, exported(13, 7)))
    publications = len(runs.lab.artifacts.publications())
    report = replay_quarantine(runs)
    assert (report.messages, report.exports, report.changes, report.days) == (1, (), (), ())
    assert len(runs.lab.artifacts.publications()) == publications


def test_a_replay_of_one_rule_does_not_look_at_the_others(runs: LakeRuns, tmp_path: Path) -> None:
    with yesterdays_rules("small bag"):
        ingest_telegram_export(runs, write_export(tmp_path / "a.json", FOX_CALL, CUT_SHORT))
    assert replay_quarantine(runs, rule="base58_wrong_length").exports == ()
    assert replay_quarantine(runs, rule="unknown_link").changes == (Redecision("unknown_link", "call", 1),)


def test_a_replay_reads_an_export_as_it_was_told_the_first_time(runs: LakeRuns, tmp_path: Path) -> None:
    (tmp_path / "messages.html").write_text(page([OWL_CALL, FOX_CALL, CUT_SHORT]), "utf-8")
    options = ReadOptions("Europe/Berlin", chat_id=CHAT.chat_id)
    with yesterdays_rules("small bag"):
        ingest_telegram_export(runs, tmp_path / "messages.html", options)
    assert replay_quarantine(runs).changes == (Redecision("unknown_link", "call", 1),)
    assert {row["mint"] for row in rows(runs, "alerts_v1")} == {mint("owl"), mint("fox")}
