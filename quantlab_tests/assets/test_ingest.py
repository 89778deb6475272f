"""Telegram exports come in one after the other: what is new is added, what changed is replaced, all else stays."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from quantlab_assets.workflows.ingest_alerts import ingest_telegram_export, ingest_telegram_exports
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.artifacts.artifact import ArtifactStatus
from quantlab_core.errors import InvalidInputError, TelegramExportError
from quantlab_resources.lab import Lab
from quantlab_tests.assets.small_inputs import (
    DAY_S,
    FIRST,
    SECOND,
    added,
    artifacts,
    heads,
    is_untouched,
    rows,
    write_export,
)
from quantlab_tests.core.alerts.invented_chat import contract, exported, mint, phanes_card, rick_card

OWL_CALL = exported(10, mint("owl"))
FOX_CALL = exported(11, f"{mint('fox')} small bag", at=600, sender="bob")
CHATTER = exported(12, "good morning", at=700)
NEXT_DAY_CALL = exported(20, mint("elk"), at=DAY_S)
MIDNIGHT = 12 * 3600
LATE_CALL = exported(15, mint("bat"), at=MIDNIGHT - 120)


def bot_reply(message_id: int, to: int, name: str, *, at: int, card: str | None = None) -> dict[str, object]:
    text = card or phanes_card(mint(name), ticker=name.upper())
    return exported(message_id, text, at=at, sender="Phanes", reply_to_message_id=to)


@pytest.fixture
def runs(lab: Lab, instance: dg.DagsterInstance) -> LakeRuns:
    return LakeRuns(lab, instance)


def called(runs: LakeRuns) -> list[tuple[int, str]]:
    return sorted((row["alert_message_id"], row["mint"]) for row in rows(runs, "alerts_v1"))


def test_an_export_becomes_alerts_by_day_and_every_message_is_accounted_for(runs: LakeRuns, tmp_path: Path) -> None:
    path = write_export(tmp_path / "a.json", OWL_CALL, FOX_CALL, CHATTER, NEXT_DAY_CALL)
    report = ingest_telegram_export(runs, path)
    assert report.days == (date.fromisoformat(FIRST), date.fromisoformat(SECOND))
    assert report.alerts_on_days == 3
    assert report.dispositions == {"event": 3, "non_alert": 1}
    assert called(runs) == [(10, mint("owl")), (11, mint("fox")), (20, mint("elk"))]
    assert set(heads(runs, "alerts_v1")) == {f"day={FIRST}/chain=solana", f"day={SECOND}/chain=solana"}
    assert [row["call_number_in_chat"] for row in rows(runs, "token_calls_v1")] == [1, 1, 1]
    assert runs.instance.get_dynamic_partitions("exports") == [report.export]


def test_the_same_export_again_adds_nothing(runs: LakeRuns, tmp_path: Path) -> None:
    path = write_export(tmp_path / "a.json", OWL_CALL, FOX_CALL)
    first = ingest_telegram_export(runs, path)
    before, new = artifacts(runs), runs.counts.new
    assert new == len(before)
    renamed = path.rename(tmp_path / "renamed.json")
    assert ingest_telegram_export(runs, renamed) == replace(first, path=renamed)
    assert is_untouched(runs, before)
    assert runs.counts.new == new


def test_an_overlapping_export_adds_only_itself(runs: LakeRuns, tmp_path: Path) -> None:
    """The same messages from another file: the file and its messages are new, what was called is not."""
    ingest_telegram_export(runs, write_export(tmp_path / "a.json", OWL_CALL, FOX_CALL, NEXT_DAY_CALL))
    before = artifacts(runs)
    ingest_telegram_export(runs, write_export(tmp_path / "b.json", FOX_CALL, CHATTER, NEXT_DAY_CALL))
    assert Counter(artifact_type for artifact_type, _ in added(runs, before)) == Counter(
        ["raw_file_v1", "telegram_messages_v1", "message_dispositions_v1", "alerts_quarantine"]
    )


def test_the_order_in_which_exports_come_in_does_not_matter(tmp_path: Path, lab: Lab) -> None:
    paths = [
        write_export(tmp_path / "a.json", OWL_CALL, FOX_CALL),
        write_export(tmp_path / "b.json", FOX_CALL, NEXT_DAY_CALL, bot_reply(30, 11, "fox", at=605)),
    ]
    hashes = []
    for name, order in (("there", paths), ("back", paths[::-1])):
        with dg.DagsterInstance.ephemeral() as instance:
            runs = LakeRuns(Lab.create(tmp_path / name), instance)
            ingest_telegram_exports(runs, order)
            hashes.append({key: head.content_hash for key, head in heads(runs, "alerts_v1").items()})
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) == 2


def test_a_cumulative_export_adds_the_new_day_and_replaces_no_other(runs: LakeRuns, tmp_path: Path) -> None:
    ingest_telegram_export(runs, write_export(tmp_path / "a.json", OWL_CALL, FOX_CALL))
    before, old_set = artifacts(runs), heads(runs, "artifact_set")["of=alerts/selection=current"]
    ingest_telegram_export(runs, write_export(tmp_path / "b.json", OWL_CALL, FOX_CALL, NEXT_DAY_CALL))
    by_day = {key for artifact_type, key in added(runs, before) if artifact_type in {"alerts_v1", "alerts_event_v1"}}
    assert by_day == {f"day={SECOND}/chain=solana"}
    assert runs.lab.artifacts.get_artifact(old_set.artifact_id).status is ArtifactStatus.SUPERSEDED
    assert [a.logical_key for a in artifacts(runs).values() if a.status is ArtifactStatus.SUPERSEDED].count(
        "of=alerts/selection=current"
    ) == 1
    assert not any(
        a.status is ArtifactStatus.SUPERSEDED for a in artifacts(runs).values() if a.artifact_type == "alerts_v1"
    )


def test_a_bot_reply_that_comes_later_changes_the_day_of_its_call_alone(runs: LakeRuns, tmp_path: Path) -> None:
    ingest_telegram_export(runs, write_export(tmp_path / "a.json", OWL_CALL, NEXT_DAY_CALL))
    first, second = (heads(runs, "alerts_v1")[f"day={day}/chain=solana"] for day in (FIRST, SECOND))
    assert [row["ticker"] for row in rows(runs, "alerts_v1")] == [None, None]
    later = write_export(tmp_path / "b.json", OWL_CALL, bot_reply(13, 10, "owl", at=5), NEXT_DAY_CALL)
    ingest_telegram_export(runs, later)
    assert [row["ticker"] for row in rows(runs, "alerts_v1")] == ["OWL", None]
    assert runs.lab.artifacts.get_artifact(first.artifact_id).status is ArtifactStatus.SUPERSEDED
    assert heads(runs, "alerts_v1")[f"day={SECOND}/chain=solana"] == second


def test_a_reply_after_midnight_changes_the_day_before(runs: LakeRuns, tmp_path: Path) -> None:
    ingest_telegram_export(runs, write_export(tmp_path / "a.json", LATE_CALL))
    only_the_reply = write_export(tmp_path / "b.json", bot_reply(16, 15, "bat", at=MIDNIGHT + 60))
    report = ingest_telegram_export(runs, only_the_reply)
    assert date.fromisoformat(FIRST) in report.days
    ((alert),) = rows(runs, "alerts_v1")
    assert (alert["mint"], alert["ticker"]) == (mint("bat"), "BAT")


def test_a_call_whose_chain_becomes_known_leaves_the_unknown_chain_empty(runs: LakeRuns, tmp_path: Path) -> None:
    call = exported(10, contract("heron"))
    card = rick_card(contract("heron"), ticker="HERON").replace("Solana @ PumpSwap", "Base @ Aerodrome")
    ingest_telegram_export(runs, write_export(tmp_path / "a.json", call))
    assert [row["chain"] for row in rows(runs, "alerts_v1")] == ["evm_unknown"]
    reply = exported(13, card, at=5, sender="Rick", reply_to_message_id=10)
    ingest_telegram_export(runs, write_export(tmp_path / "b.json", call, reply))
    assert [row["chain"] for row in rows(runs, "alerts_v1")] == ["base"]
    assert {key: head.row_count for key, head in heads(runs, "alerts_v1").items()} == {
        f"day={FIRST}/chain=base": 1,
        f"day={FIRST}/chain=evm_unknown": 0,
    }
    assert [row["logical_key"] for row in rows(runs, "artifact_set")] == [f"day={FIRST}/chain=base"]


def test_only_the_day_that_was_asked_for_gets_alerts(runs: LakeRuns, tmp_path: Path) -> None:
    path = write_export(tmp_path / "a.json", OWL_CALL, NEXT_DAY_CALL)
    report = ingest_telegram_export(runs, path, only_day=date.fromisoformat(SECOND))
    assert report.days == (date.fromisoformat(SECOND),)
    assert called(runs) == [(20, mint("elk"))]
    assert sum(head.row_count for head in heads(runs, "telegram_messages_v1").values()) == 2


@pytest.mark.parametrize("kept_bytes", [0, 40, -30])
def test_a_damaged_export_leaves_no_artifact_and_no_partition(runs: LakeRuns, tmp_path: Path, kept_bytes: int) -> None:
    whole = write_export(tmp_path / "a.json", OWL_CALL, FOX_CALL)
    damaged = tmp_path / "damaged.json"
    damaged.write_bytes(whole.read_bytes()[:kept_bytes])
    with pytest.raises(TelegramExportError, match=r"damaged\.json"):
        ingest_telegram_export(runs, damaged)
    assert is_untouched(runs, {})
    assert not list(runs.lab.paths.raw_files.rglob("*.json"))
    assert runs.instance.get_dynamic_partitions("exports") == []


def test_one_damaged_export_does_not_stop_the_others(runs: LakeRuns, tmp_path: Path) -> None:
    paths = [write_export(tmp_path / f"{n}.json", call) for n, call in enumerate((OWL_CALL, NEXT_DAY_CALL))]
    damaged = tmp_path / "damaged.json"
    damaged.write_bytes(paths[0].read_bytes()[:-30])
    intake = ingest_telegram_exports(runs, [paths[0], damaged, paths[1]])
    assert [report.path for report in intake.accepted] == paths
    assert [(refused.path, type(refused.error)) for refused in intake.refused] == [(damaged, TelegramExportError)]
    assert called(runs) == [(10, mint("owl")), (20, mint("elk"))]


def test_a_call_by_a_bot_is_an_alert_of_its_day(runs: LakeRuns, tmp_path: Path) -> None:
    alone = exported(40, "new pair " + mint("yak"), sender="SpyDefi")
    report = ingest_telegram_export(runs, write_export(tmp_path / "a.json", alone))
    assert report.days == (date.fromisoformat(FIRST),)
    assert called(runs) == [(40, mint("yak"))]


def test_a_day_before_the_first_is_refused_before_anything_is_stored(runs: LakeRuns, tmp_path: Path) -> None:
    path = write_export(tmp_path / "a.json", OWL_CALL)
    with pytest.raises(InvalidInputError, match="2009-01-03"):
        ingest_telegram_export(runs, path, only_day=date(2009, 1, 3))
    assert is_untouched(runs, {})
