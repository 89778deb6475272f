"""Where lineage goes is one setting; without it nothing goes anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantlab_core.errors import InvalidInputError
from quantlab_resources.lab import Lab
from quantlab_resources.openlineage.configured_lineage import configured_destination, lineage_of
from quantlab_tests.resources.artifacts.lakes import free_request
from quantlab_tests.resources.openlineage.received_lineage import waiting_events


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab.create(tmp_path / "lake")


def address(lab: Lab, named: str | None = None, **variables: str) -> str | None:
    destination = configured_destination(lab, named, environment=variables)
    return None if destination is None else destination.address


def test_a_name_goes_before_the_setting_and_nothing_is_a_receiver_by_default(lab: Lab, tmp_path: Path) -> None:
    assert address(lab) is None
    assert address(lab, QUANTLAB_OPENLINEAGE=" ") is None
    assert address(lab, QUANTLAB_OPENLINEAGE="http://marquez:5000") == "http://marquez:5000/api/v1/lineage"
    assert address(lab, str(tmp_path / "l.jsonl"), QUANTLAB_OPENLINEAGE="http://x") == str(tmp_path / "l.jsonl")


def test_a_file_among_the_lakes_own_is_refused(lab: Lab) -> None:
    for path in (lab.paths.artifacts_root / "l.jsonl", lab.paths.events / "l.jsonl", lab.paths.home):
        with pytest.raises(InvalidInputError, match="among the lake's own files"):
            address(lab, str(path))


def test_the_namespace_can_be_named_and_changes_no_run_id(lab: Lab) -> None:
    lab.artifacts.publish(free_request([1]))
    (plain,) = waiting_events(lab.catalogue, lab.paths)
    named = lineage_of(lab, {"QUANTLAB_OPENLINEAGE_NAMESPACE": "quantlab://research"})
    (transaction,) = named.outbox.waiting(None)
    assert b'"namespace":"quantlab://research"' in transaction.lines[0]
    assert plain["run"]["runId"].encode() in transaction.lines[0]
    assert plain["job"]["namespace"] == f"quantlab://{named.outbox.lake()}"
    with pytest.raises(InvalidInputError, match="QUANTLAB_OPENLINEAGE_NAMESPACE"):
        lineage_of(lab, {"QUANTLAB_OPENLINEAGE_NAMESPACE": "two words"})
