"""``quantlab alerts``: exports of every form come in, and every message is accounted for."""

from __future__ import annotations

import json
from pathlib import Path

from quantlab_tests.assets.small_inputs import write_export
from quantlab_tests.cli.small_lake import call_quantlab
from quantlab_tests.core.alerts.invented_chat import CHAT, exported, mint
from quantlab_tests.resources.alerts.html_export import page

GLUED = exported(12, "see " + mint("elk")[:-3], at=60)


def test_ingest_shows_one_table_of_what_became_of_every_message(tmp_path: Path) -> None:
    export = write_export(tmp_path / "a.json", exported(10, mint("owl")), exported(11, "gm", at=5), GLUED)
    result = call_quantlab("alerts", "ingest", export, home=tmp_path / "lake")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["event", "call", "1"] in lines
    assert ["non", "alert", "no_alert", "1"] in lines
    quarantined = next(line for line in lines if line[:1] == ["quarantined"])
    assert quarantined[1:5] == ["base58_wrong_length", "1", "message", "12:"]
    assert ["all", "3"] in lines


def test_an_html_export_needs_a_zone_and_a_chat_and_then_comes_in(tmp_path: Path) -> None:
    html = tmp_path / "messages.html"
    html.write_text(page([exported(10, mint("owl"))]), "utf-8")
    ingest = ("alerts", "ingest", html)
    refused = call_quantlab(*ingest, home=tmp_path / "lake")
    assert refused.exit_code == 1
    assert "--timezone" in refused.stderr
    assert "--chat-id" in call_quantlab(*ingest, "--timezone", "Europe/Berlin", home=tmp_path / "lake").stderr
    bad = call_quantlab(*ingest, "--timezone", "Europe/Berlin", "--chat-id", "evening", home=tmp_path / "lake")
    assert "'evening' is not the id of a chat" in bad.stderr
    chat = f"-100{CHAT.chat_id}"
    result = call_quantlab(*ingest, "--timezone", "Europe/Berlin", "--chat-id", chat, home=tmp_path / "lake")
    assert result.exit_code == 0, result.output
    assert "2025-05-01  solana" in result.stdout


def test_repairs_and_what_salvage_lost_are_shown(tmp_path: Path) -> None:
    export = write_export(tmp_path / "a.json", {**exported(10, mint("owl")), "note": "BAD"}, GLUED)
    text = export.read_text().replace("BAD", r"\x01")
    export.write_text(text[:-40])
    assert "--salvage" in call_quantlab("alerts", "ingest", export, home=tmp_path / "lake").stderr
    result = call_quantlab("alerts", "ingest", export, "--salvage", home=tmp_path / "lake")
    assert result.exit_code == 0, result.output
    assert "repaired: 1 bad_escapes" in result.stdout
    assert "salvaged: " in result.stdout


def test_the_quarantine_is_listed_by_rule_and_export_and_says_when_it_is_cut(tmp_path: Path) -> None:
    home = tmp_path / "lake"
    export = write_export(tmp_path / "a.json", exported(10, mint("owl")), GLUED, {"type": "message"})
    assert call_quantlab("alerts", "ingest", export, home=home).exit_code == 0
    listing = ("alerts", "quarantine", "list")
    found = json.loads(call_quantlab(*listing, "--format", "json", home=home).stdout)
    assert [(row["ruleId"], row["messageId"]) for row in found] == [
        ("base58_wrong_length", "12"),
        ("no_message_id", None),
    ]
    assert json.loads(found[0]["payload"])["text"] == GLUED["text"]
    of_rule = call_quantlab(*listing, "--rule", "no_message_id", home=home).stdout
    assert "the message has no id" in of_rule
    assert "base58" not in of_rule
    assert "no such message" in call_quantlab(*listing, "--export", "another", home=home).stdout
    cut = call_quantlab(*listing, "--limit", "1", home=home)
    assert "cut at 1" in cut.stderr
    replayed = call_quantlab("alerts", "quarantine", "replay", home=home)
    assert replayed.exit_code == 0, replayed.output
    assert "2 quarantined messages read again: all are decided as before, nothing was published" in replayed.stdout
