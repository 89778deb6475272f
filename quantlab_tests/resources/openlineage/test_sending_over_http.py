"""An endpoint gets every event at least once and always the same, so that one who knows run ids has each once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quantlab_core.errors import DeliveryError, InvalidInputError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.openlineage.http_endpoint import HttpEndpoint
from quantlab_resources.openlineage.lineage_outbox import Place
from quantlab_resources.openlineage.send_lineage import LineageReport, lineage_status, send_lineage
from quantlab_tests.resources.artifacts.eventful_lake import eventful_lake
from quantlab_tests.resources.openlineage.lineage_receiver import LOST, LineageReceiver, lineage_receiver
from quantlab_tests.resources.openlineage.received_lineage import (
    keyed_by_run,
    outbox_of,
    positions_of,
    received,
    recorded,
    waiting_events,
)

KEY = "s3cret-key"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> ParquetArtifactStore:
    return eventful_lake(tmp_path_factory.mktemp("http") / "lake")


@pytest.fixture
def receiver() -> Iterator[LineageReceiver]:
    with lineage_receiver() as running:
        yield running


@pytest.fixture
def waits() -> list[float]:
    return []


def send(lake: ParquetArtifactStore, endpoint: HttpEndpoint, limit: int | None = None) -> LineageReport:
    return send_lineage(outbox_of(lake, lake.paths), endpoint, positions_of(lake.paths), limit=limit)


def test_everything_is_posted_once_in_order_to_the_path_of_openlineage(
    lake: ParquetArtifactStore, receiver: LineageReceiver
) -> None:
    report = send(lake, HttpEndpoint(receiver.url, api_key=KEY))
    assert receiver.taken == waiting_events(lake, lake.paths)
    assert received(receiver.taken) == recorded(lake)
    assert (report.sent, report.waiting) == (len(receiver.taken), 0)
    assert {path for path, _ in receiver.seen} == {"/api/v1/lineage"}
    assert {(h["Content-Type"], h["Authorization"]) for _, h in receiver.seen} == {
        ("application/json", f"Bearer {KEY}")
    }
    assert send(lake, HttpEndpoint(receiver.url, api_key=KEY)).sent == 0
    assert len(receiver.seen) == report.sent


def test_what_may_pass_is_tried_again_with_growing_waits(
    lake: ParquetArtifactStore, receiver: LineageReceiver, waits: list[float]
) -> None:
    receiver.answers = [503, 429, 500, LOST]
    assert send(lake, HttpEndpoint(receiver.url, sleep=waits.append), limit=2).sent == 2
    assert waits == [0.5, 1.0, 2.0, 4.0]
    assert [event["run"]["runId"] for event in receiver.taken] == [
        event["run"]["runId"]
        for event in (*waiting_events(lake, lake.paths)[:1] * 2, waiting_events(lake, lake.paths)[1])
    ]
    assert len(keyed_by_run(receiver.taken)) == 2


@pytest.mark.parametrize("status", [400, 401, 404, 301])
def test_a_refusal_is_final_names_the_reason_and_keeps_what_waits(
    lake: ParquetArtifactStore, receiver: LineageReceiver, waits: list[float], status: int
) -> None:
    receiver.answers, receiver.says = [201, 201, status], f"no: {KEY}\nmore".encode()
    endpoint = HttpEndpoint(receiver.url, api_key=KEY, sleep=waits.append)
    with pytest.raises(DeliveryError, match=rf"answered {status} .*: no: …; what was not taken waits") as refused:
        send(lake, endpoint)
    assert KEY not in str(refused.value)
    assert KEY not in repr(endpoint)
    assert waits == []
    assert len(receiver.seen) == 3
    assert send(lake, endpoint).sent == len(waiting_events(lake, lake.paths)) - 2
    assert receiver.taken == waiting_events(lake, lake.paths)


def test_an_endpoint_that_is_not_there_ends_with_one_line_after_the_last_attempt(
    lake: ParquetArtifactStore, waits: list[float]
) -> None:
    with pytest.raises(DeliveryError, match=r"127\.0\.0\.1:1/api/v1/lineage") as refused:
        send(lake, HttpEndpoint("http://127.0.0.1:1", sleep=waits.append))
    assert "\n" not in str(refused.value)
    assert len(waits) == 4


class Killed(BaseException):
    """Ends a sender where a kill would."""


def test_a_sender_that_dies_after_the_answer_sends_the_same_event_again(
    lake: ParquetArtifactStore, receiver: LineageReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    positions = positions_of(lake.paths)

    def die(address: str, place: Place) -> None:
        raise Killed

    monkeypatch.setattr(positions, "move", die)
    outbox, endpoint = outbox_of(lake, lake.paths), HttpEndpoint(receiver.url)
    with pytest.raises(Killed):
        send_lineage(outbox, endpoint, positions, limit=3)
    assert lineage_status(outbox, endpoint, positions).sequence == 0
    send(lake, endpoint)
    assert receiver.taken[0] == receiver.taken[1]
    assert received(keyed_by_run(receiver.taken)) == recorded(lake)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://host/x", "can be a file, http"),
        ("file:///etc/x", "can be a file, http"),
        ("http://", "can be a file, http"),
        ("http://me:pass@host", "has a user, a query or a fragment"),
        ("https://host/x?key=pass", "has a user, a query or a fragment"),
        ("http://host:99999", "is no URL"),
        ("http://[", "is no URL"),
    ],
)
def test_addresses_that_could_leak_or_lead_elsewhere_are_refused(url: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says) as refused:
        HttpEndpoint(url)
    assert "pass" not in str(refused.value)


def test_a_key_that_no_header_can_have_is_refused_without_showing_it() -> None:
    with pytest.raises(InvalidInputError) as refused:
        HttpEndpoint("http://host", api_key="one\r\nX: two")
    assert "two" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "posted_to"),
    [
        ("http://marquez:5000", "http://marquez:5000/api/v1/lineage"),
        ("http://marquez:5000/", "http://marquez:5000/api/v1/lineage"),
        ("https://host/openapi/lineage", "https://host/openapi/lineage"),
    ],
)
def test_an_address_without_a_path_means_the_usual_one(url: str, posted_to: str) -> None:
    assert HttpEndpoint(url).address == posted_to
