"""What the promise rests on: bytes are durable before they get a name, names before the commit that tells of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from quantlab_tests.faults.store_paths import PUBLISH_MANY
from quantlab_tests.faults.traced_actor import TracedActor
from quantlab_tests.faults.undisturbed import Undisturbed


def broken_orders(lines: Sequence[str]) -> list[str]:
    """Which orders of the protocol a trace breaks: bytes before name, name before folder, folder before commit."""
    found = []
    named = [
        (index, *re.findall(r'"([^"]+)"', line))
        for index, line in enumerate(lines)
        if line.startswith(("link", "rename"))
    ]
    syncs = [
        (index, match[1]) for index, line in enumerate(lines) if (match := re.match(r"f\w*sync\(\d+<([^>]+)>", line))
    ]
    # Opening a copied manifest may write pages of its own, to recover its WAL: they come before the first staged file.
    begun = min((sync for sync, path in syncs if "/_tmp/" in path), default=0)
    pages = [
        index for index, line in enumerate(lines) if index > begun and line.startswith("pwrite64") and "sqlite" in line
    ]
    commit = pages[0] if pages else len(lines)
    for index, staged, final in named:
        if not any(sync < index and path == staged for sync, path in syncs):
            found.append(f"{final} was named before its bytes were durable")
        if not any(index < sync < commit and path == str(Path(final).parent) for sync, path in syncs):
            found.append(f"the folder of {final} was not durable before the commit")
    wal = [sync for sync, path in syncs if path.endswith("-wal")]
    if not wal or max(wal) < commit:
        found.append("the commit was not synced")
    for call in ("link", "rename"):
        if not any(line.startswith(call) for line in lines):
            found.append(f"no file came in by {call}")
    return found


@pytest.fixture(scope="module")
def publishing(actor: TracedActor, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The write-class calls of a publication of two artifacts in one folder, with paths."""
    return Undisturbed.prepared(PUBLISH_MANY, tmp_path_factory.mktemp("publishing"), actor).calls()


def test_bytes_are_durable_before_names_and_names_before_the_commit(publishing: list[str]) -> None:
    assert broken_orders(publishing) == []


@pytest.mark.parametrize("call", ["fsync", "fdatasync"])
def test_a_publisher_that_does_not_sync_is_caught(publishing: list[str], call: str) -> None:
    assert broken_orders([line for line in publishing if not line.startswith(call)]) != []


def test_a_publisher_that_forgets_only_the_folder_is_caught(publishing: list[str]) -> None:
    of_folder = [line for line in publishing if re.match(r"fsync\(\d+<[^>]*/v1>", line)]

    assert len(of_folder) == 1, "the folder of both files is synced once"
    assert broken_orders([line for line in publishing if line not in of_folder]) != []


def test_a_publisher_that_commits_first_is_caught(publishing: list[str]) -> None:
    of_manifest = [line for line in publishing if "sqlite" in line]

    assert broken_orders([*of_manifest, *(line for line in publishing if line not in of_manifest)]) != []
