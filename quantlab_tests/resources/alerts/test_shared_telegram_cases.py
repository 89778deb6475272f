"""The labelled messages and real exports, where the shared material lies beside the repository."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from quantlab_core.alerts.addresses import extract_addresses
from quantlab_core.alerts.alert_events import events_of_day
from quantlab_core.alerts.alert_source import ReadingReport, ReadOptions
from quantlab_core.alerts.bot_cards import parse_card
from quantlab_core.alerts.classification import classify
from quantlab_core.alerts.daily_alerts import alerts_of_day
from quantlab_core.alerts.export_tables import ExportTables, export_tables
from quantlab_core.alerts.telegram_message import Chat, RawMessage, TelegramMessage, normalise_message
from quantlab_core.errors import TelegramExportError
from quantlab_resources.alerts.telegram_json import read_telegram_json
from quantlab_resources.alerts.time_zones import time_zone

SHARED = Path(__file__).resolve().parents[4] / "shared"
CASES, TELEGRAM = SHARED / "cases", SHARED / "data" / "telegram"
EXCERPT = TELEGRAM / "call_group_excerpt"

pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="the shared cases and data are not beside this repository")

LABELLED = (
    [json.loads(line) for line in (CASES / "telegram_messages_labelled.jsonl").read_text("utf-8").splitlines()]
    if SHARED.exists()
    else []
)
CARD_FIELDS = (
    "ticker",
    "price_usd",
    "mcap_usd",
    "liquidity_usd",
    "ath_mcap_usd",
    "age",
    "first_caller",
    "mcap_at_call_usd",
)


def as_exported(case: dict[str, Any], number: int, numbers: dict[str, int]) -> dict[str, Any]:
    exported = {
        "id": number,
        "type": "message",
        "date_unixtime": str(1_746_100_800 + number),
        "from": case["sender"],
        "from_id": "user" + case["sender"],
        "text": case["text_export"],
        "forwarded_from": case["forwarded_from"],
    }
    if case["reply_to"]:
        exported["reply_to_message_id"] = numbers.get(case["reply_to"], 999_999)
    return exported


def labelled_messages() -> list[RawMessage]:
    numbers = {case["id"]: number for number, case in enumerate(LABELLED, 1)}
    return [RawMessage(as_exported(case, numbers[case["id"]], numbers), Chat(1), n) for n, case in enumerate(LABELLED)]


def alerts_by_message(tables: ExportTables) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for day in sorted({sent.date() for sent in tables.messages["sent_ts"].to_pylist()}):
        for alert in alerts_of_day(events_of_day(tables.messages, day)).to_pylist():
            found[alert["alert_message_id"]].append(alert)
    return found


def same_case(address: str) -> str:
    return address.lower() if address.startswith("0x") else address


def expected_tokens(expected: dict[str, Any]) -> Counter[tuple[str, str, str, str]]:
    return Counter(
        (
            token["address"],
            same_case(token.get("resolved_token") or token["address"]),
            token["chain"],
            token["address_kind"],
        )
        for token in expected["tokens"]
    )


def called_tokens(alerts: list[dict[str, Any]]) -> Counter[tuple[str, str, str, str]]:
    return Counter((alert["called_address"], alert["mint"], alert["chain"], alert["address_kind"]) for alert in alerts)


@pytest.mark.parametrize("number", range(len(LABELLED)), ids=[case["id"] for case in LABELLED])
def test_every_labelled_message_is_classified_as_labelled(number: int) -> None:
    expected = LABELLED[number]["expected"]
    message = normalise_message(labelled_messages()[number].payload, chat=Chat(1), ordinal=0)
    assert isinstance(message, TelegramMessage)
    result = classify(message)
    assert (result.kind, result.is_alert) == (expected["kind"], expected["is_alert"])
    assert (result.kind == "bot_reply") == expected["is_bot_reply"]
    if expected["is_alert"]:
        words = [(call.address, call.ticker, call.stated_mcap_usd) for call in result.calls]
        assert words == [(token["address"], token["ticker"], token["mcap_usd"]) for token in expected["tokens"]]
    elif expected["is_bot_reply"] and expected["tokens"]:
        token, card = expected["tokens"][0], result.card
        assert card is not None
        assert (card.address, card.chain) == (token["address"], token["chain"])
        assert {name: getattr(card, name) for name in CARD_FIELDS} == {name: token.get(name) for name in CARD_FIELDS}


def test_the_labelled_messages_together_give_exactly_the_labelled_alerts() -> None:
    alerts = alerts_by_message(export_tables(labelled_messages()))
    for number, case in enumerate(LABELLED, 1):
        expected = expected_tokens(case["expected"]) if case["expected"]["is_alert"] else Counter()
        assert called_tokens(alerts.get(number, [])) == expected, case["id"]


def test_the_excerpt_gives_exactly_its_expected_calls() -> None:
    tables = export_tables(read_telegram_json(EXCERPT / "result.json"))
    kinds = dict(
        zip(tables.dispositions["message_id"].to_pylist(), tables.dispositions["kind"].to_pylist(), strict=True)
    )
    alerts = alerts_by_message(tables)
    lines = [json.loads(line) for line in (EXCERPT / "expected.jsonl").read_text("utf-8").splitlines()]
    assert set(alerts) == {line["message_id"] for line in lines if line["is_alert"]}
    for line in lines:
        assert kinds[line["message_id"]] == line["kind"]
        if line["is_alert"]:
            assert called_tokens(alerts[line["message_id"]]) == expected_tokens(line)


@pytest.mark.parametrize("number", range(12))
def test_address_candidates_are_those_of_the_earlier_system(number: int) -> None:
    case = json.loads((CASES / "address_extraction.json").read_text("utf-8"))[number]
    found = extract_addresses(case["text"]).found
    assert [one.address for one in found if one.family == "solana"] == case["expected"]["solana_mints"]
    assert [one.address for one in found if one.family == "evm"] == case["expected"]["evm"]


@pytest.mark.parametrize("number", range(2))
def test_the_sample_cards_give_their_fields(number: int) -> None:
    case = json.loads((CASES / "bot_cards.json").read_text("utf-8"))[number]
    card, expected = parse_card(case["text"]), case["expected"]
    assert card is not None
    assert (card.bot, card.address, card.chain, card.mcap_usd) == (
        expected["bot"],
        expected["mint"],
        "solana",
        expected["mcap_usd"],
    )
    # The symbol itself begins with "$" here; the sample writes it without, the labelled messages with it.
    assert card.ticker is not None
    assert card.ticker.lstrip("$") == expected["ticker"]
    for name in ("mcap_change_pct", "liquidity_usd", "total_holders", "avg_wallet_age_days"):
        if name in expected:
            assert getattr(card, name) == expected[name]
    if "age_days" in expected:
        assert card.age_s == expected["age_days"] * 86_400


READABLE = {
    "03": {"bad_escapes": 2},
    "04": {"unquoted_document_ids": 1},
    "05": {"duplicate_keys": 1},
    "06": {},
    "07": {},
    "08": None,
    "10": {},
    "12": {},
    "13": {},
    "14": {},
}


def mutation(number: str) -> Path:
    return next((TELEGRAM / "mutations").glob(f"{number}_*"))


@pytest.mark.parametrize("number", READABLE)
def test_odd_variants_of_the_excerpt_keep_its_two_first_calls(number: str) -> None:
    report = ReadingReport()
    alerts = alerts_by_message(export_tables(read_telegram_json(mutation(number), report=report)))
    whole = alerts_by_message(export_tables(read_telegram_json(EXCERPT / "result.json")))
    assert set(alerts) == {100_000, 100_021}
    assert {key: called_tokens(found) for key, found in alerts.items()} == {
        key: called_tokens(whole[key]) for key in alerts
    }
    assert report.repairs == READABLE[number] if READABLE[number] is not None else set(report.repairs) == {"bad_bytes"}


@pytest.mark.parametrize(
    ("number", "words"),
    [("01", "at byte 28,810"), ("02", "at byte 41,146"), ("16", "not a Telegram export"), ("17", "is empty")],
)
def test_damaged_variants_are_refused(number: str, words: str) -> None:
    with pytest.raises(TelegramExportError, match=words):
        export_tables(read_telegram_json(mutation(number)))


def test_the_other_variants_come_out_as_they_should() -> None:
    account = export_tables(read_telegram_json(mutation("09")))
    assert len(set(account.dispositions["chat_id"].to_pylist())) > 1
    with pytest.raises(TelegramExportError, match="--timezone"):
        export_tables(read_telegram_json(mutation("11")))
    assert export_tables(read_telegram_json(mutation("15"))).dispositions.num_rows == 0
    repeated = export_tables(read_telegram_json(mutation("12"))).dispositions
    assert Counter(repeated["disposition"].to_pylist())["duplicate"] == 1


def test_an_old_export_in_its_zone_has_the_times_of_the_newer_one() -> None:
    sydney = "Australia/Sydney"
    old = export_tables(
        read_telegram_json(mutation("11"), ReadOptions(time_zone=sydney)), time_zone=time_zone(sydney)
    ).messages
    whole = export_tables(read_telegram_json(EXCERPT / "result.json")).messages
    times = dict(zip(whole["message_id"].to_pylist(), whole["sent_ts"].to_pylist(), strict=True))
    assert old["sent_ts"].to_pylist() == [times[number] for number in old["message_id"].to_pylist()]
    assert old.num_rows == 8


def test_overlapping_variants_of_the_excerpt_add_nothing() -> None:
    whole = export_tables(read_telegram_json(EXCERPT / "result.json")).messages
    part = export_tables(read_telegram_json(mutation("13"))).messages
    for day in sorted({sent.date() for sent in part["sent_ts"].to_pylist()}):
        assert events_of_day(pa.concat_tables([part, whole]), day).equals(events_of_day(whole, day))


def test_real_channels_are_read_without_a_loss() -> None:
    for path in sorted((TELEGRAM / "redacted_real_exports").glob("*.json")):
        messages = json.loads(path.read_text("utf-8"))["messages"]
        assert export_tables(read_telegram_json(path)).dispositions.num_rows == len(messages)
