"""The sensor that sends lineage: it sends what waits, says why when it does not, and costs nothing when idle."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from quantlab_assets.automation.openlineage_outbox import openlineage_outbox
from quantlab_core.errors import DeliveryError
from quantlab_resources.dagster_io.lab_resource import LabResource
from quantlab_resources.lab import Lab
from quantlab_tests.resources.artifacts.lakes import free_request
from quantlab_tests.resources.openlineage.lineage_receiver import lineage_receiver
from quantlab_tests.resources.openlineage.received_lineage import events_in, received, recorded


@pytest.fixture
def home(tmp_path: Path) -> Path:
    lab = Lab.create(tmp_path / "lake")
    for number in range(3):
        lab.artifacts.publish(free_request([number]))
    return tmp_path / "lake"


def look(home: Path) -> str:
    with dg.build_sensor_context(resources={"lab": LabResource(home=str(home))}) as context:
        answer = openlineage_outbox.evaluate_tick(context)
    assert not answer.run_requests
    assert answer.skip_message is not None
    return answer.skip_message


def test_without_a_receiver_it_does_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUANTLAB_OPENLINEAGE", raising=False)
    assert look(home) == "QUANTLAB_OPENLINEAGE names no receiver of lineage"


def test_where_there_is_no_lake_yet_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANTLAB_OPENLINEAGE", str(tmp_path / "lineage.jsonl"))
    assert look(tmp_path / "none").startswith("lake not found")


def test_it_sends_what_waits_and_then_has_nothing_new(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lineage.jsonl"
    monkeypatch.setenv("QUANTLAB_OPENLINEAGE", str(file))
    assert look(home) == f"sent 3 events to {file}, up to change 3 of 3"
    assert look(home) == f"nothing new for {file}: it has change 3, the latest"
    assert received(events_in(file)) == recorded(Lab(home).artifacts)


def test_a_receiver_that_refuses_makes_the_look_fail_and_the_next_one_goes_on(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lineage_receiver() as receiver:
        monkeypatch.setenv("QUANTLAB_OPENLINEAGE", receiver.url)
        receiver.answers = [201, 400]
        with pytest.raises(DeliveryError, match="answered 400"):
            look(home)
        assert look(home).startswith("sent 2 events")
        assert received(receiver.taken) == recorded(Lab(home).artifacts)


def test_a_look_with_nothing_new_says_so_and_sends_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = tmp_path / "lineage.jsonl"
    monkeypatch.setenv("QUANTLAB_OPENLINEAGE", str(outbox))
    look(home)
    sent = outbox.read_bytes()
    assert look(home).startswith("nothing new")
    assert outbox.read_bytes() == sent
