"""HTML exports and salvaged ones come in: what was said about them is on record, and later readings know it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from quantlab_assets.alerts import READING_PARAM, last_params
from quantlab_assets.workflows.ingest_alerts import ingest_telegram_export, read_exports
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.alerts.alert_source import ReadOptions
from quantlab_core.errors import TelegramExportError
from quantlab_resources.lab import Lab
from quantlab_tests.assets.small_inputs import added, artifacts, heads, rows, write_export
from quantlab_tests.core.alerts.invented_chat import CHAT, exported, mint
from quantlab_tests.resources.alerts.html_export import page

OWL_CALL = exported(10, mint("owl"))
FOX_CALL = exported(11, f"{mint('fox')} small bag", at=600, sender="bob")
BERLIN = ReadOptions("Europe/Berlin", chat_id=CHAT.chat_id)


@pytest.fixture
def runs(lab: Lab, instance: dg.DagsterInstance) -> LakeRuns:
    return LakeRuns(lab, instance)


def write_pages(folder: Path) -> Path:
    folder.mkdir()
    (folder / "messages.html").write_text(page([OWL_CALL]), "utf-8")
    (folder / "messages2.html").write_text(page([FOX_CALL]), "utf-8")
    return folder


def test_the_pages_of_an_export_are_one_export_that_adds_nothing_to_known_messages(
    runs: LakeRuns, tmp_path: Path
) -> None:
    ingest_telegram_export(runs, write_export(tmp_path / "a.json", OWL_CALL, FOX_CALL))
    before = artifacts(runs)
    folder = write_pages(tmp_path / "ChatExport")
    report = ingest_telegram_export(runs, folder, BERLIN)
    assert report.dispositions == {"event": 2}
    assert {kind for kind, _ in added(runs, before)} == {
        "raw_file_v1",
        "telegram_messages_v1",
        "message_dispositions_v1",
        "alerts_quarantine",
    }
    again = ingest_telegram_export(runs, folder / "messages2.html", BERLIN)
    assert again.export == report.export


def test_html_alone_makes_alerts_and_json_that_comes_later_says_more_of_them(runs: LakeRuns, tmp_path: Path) -> None:
    ingest_telegram_export(runs, write_pages(tmp_path / "ChatExport"), BERLIN)
    assert [(row["mint"], row["caller_id"], row["token_proven_at_call"]) for row in rows(runs, "alerts_v1")] == [
        (mint("owl"), None, False),
        (mint("fox"), None, False),
    ]
    ingest_telegram_export(runs, write_export(tmp_path / "a.json", OWL_CALL, FOX_CALL))
    assert [(row["mint"], row["caller_id"], row["token_proven_at_call"]) for row in rows(runs, "alerts_v1")] == [
        (mint("owl"), "user3", True),
        (mint("fox"), "user3", True),
    ]


def test_a_later_reading_of_an_export_is_told_what_the_first_was(runs: LakeRuns, tmp_path: Path) -> None:
    report = ingest_telegram_export(runs, write_pages(tmp_path / "ChatExport"), BERLIN)
    assert report.reading == {READING_PARAM: {"time_zone": "Europe/Berlin", "chat_id": CHAT.chat_id}}
    before = artifacts(runs)
    read_exports(runs, [report.export])
    assert artifacts(runs) == before
    (messages,) = heads(runs, "telegram_messages_v1").values()
    assert last_params(runs.lab.artifacts, messages) == report.reading
    read_exports(runs, [report.export], ReadOptions("Africa/Lagos", chat_id=CHAT.chat_id))
    (later,) = heads(runs, "telegram_messages_v1").values()
    assert later.artifact_id != messages.artifact_id, "in another zone they were sent at another time"


def test_what_was_repaired_and_what_was_lost_is_on_record(runs: LakeRuns, tmp_path: Path) -> None:
    damaged = write_export(tmp_path / "a.json", {**OWL_CALL, "note": "BAD"}, FOX_CALL)
    text = damaged.read_text().replace("BAD", r"\x01")
    damaged.write_text(text[: text.rindex("small bag")])
    with pytest.raises(TelegramExportError, match="--salvage"):
        ingest_telegram_export(runs, damaged)
    assert artifacts(runs) == {}
    report = ingest_telegram_export(runs, damaged, ReadOptions(salvage=True))
    assert report.dispositions == {"event": 1}
    assert report.reading[READING_PARAM] == {"salvage": True}
    assert report.reading["repairs"] == {"bad_escapes": 1}
    assert report.reading["lost_from_byte"] + report.reading["lost_bytes"] == damaged.stat().st_size


def test_the_fates_of_messages_add_up_to_all_of_them(runs: LakeRuns, tmp_path: Path) -> None:
    entries = [OWL_CALL, OWL_CALL, FOX_CALL, exported(12, "hello"), {"type": "message"}, exported(13, mint("owl")[:-3])]
    report = ingest_telegram_export(runs, write_export(tmp_path / "a.json", *entries))
    assert [(fate.disposition, fate.kind, fate.rule_id, fate.messages) for fate in report.fates] == [
        ("event", "call", None, 2),
        ("non_alert", "no_alert", None, 1),
        ("duplicate", "call", None, 1),
        ("quarantined", "ambiguous", "base58_wrong_length", 1),
        ("quarantined", "unreadable", "no_message_id", 1),
    ]
    assert report.messages == len(entries)
    assert report.fates[3].example is not None
    assert report.fates[3].example.startswith("message 13: ")
    assert report.fates[4].example == "entry 4: the message has no id"
