"""Clock, time zone, locale, hash seed, umask and working folder change no id, no hash, no byte and no head."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.lake_paths import LakePaths
from quantlab_tests.faults.lake_view import flaws
from quantlab_tests.resources.artifacts.lakes import HandClock, free_request, new_store, slice_request

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, os, sys
from pathlib import Path
os.umask(int(sys.argv[2], 8))
from quantlab_tests.faults.test_surroundings import fill, identity
fill(Path(sys.argv[1]))
print(json.dumps(identity(Path(sys.argv[1])), sort_keys=True))
"""
SURROUNDINGS = {
    "Tokyo": {"TZ": "Asia/Tokyo"},
    "a zone with a half hour and daylight saving": {"TZ": "Australia/Lord_Howe"},
    "no such zone": {"TZ": "Nowhere/Land"},
    "the C locale": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "Turkish": {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
    "another hash seed": {"PYTHONHASHSEED": "1"},
    "a third hash seed": {"PYTHONHASHSEED": "4294967295"},
    "one thread": {"OMP_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1"},
    "a closed umask": {"umask": "077"},
    "an open umask": {"umask": "000"},
    "another folder": {"cwd": "/"},
}


def fill(home: Path) -> None:
    """Candles, tags in no order, text beyond ASCII, a replaced head and a publication that was there."""
    store = ParquetArtifactStore.create(LakePaths.from_environment(home, {}), clock=HandClock())
    first = store.publish(slice_request([1.0, 0.1 + 0.2], tags={"b": "ü", "a": "ı"}, params={"z": 1, "ä": [2.5]}))
    store.publish(free_request([1], input_artifact_ids=[first.artifact_id]))
    store.publish(free_request([2]))
    store.publish(free_request([1]))
    store.close()


def identity(home: Path) -> dict[str, list[str]]:
    """Every artifact with its hashes and the bytes of its files, and the heads in their order."""
    store = ParquetArtifactStore(LakePaths.from_environment(home, {}), clock=HandClock())
    root = home / "artifacts"
    digests = [
        f"{path.relative_to(root)} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in sorted(root.rglob("*"))
        if path.is_file()
    ]
    with store.manifest.reading() as connection:
        columns = "artifact_id, content_hash, file_hash, min_ts, max_ts, created_at, status"
        rows = [str(row) for row in connection.execute(f"SELECT {columns} FROM artifacts ORDER BY artifact_id")]  # noqa: S608
    heads = [head.artifact_id for head in store.heads("outside")]
    store.close()
    return {"files": digests, "rows": rows, "heads": heads}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    home = tmp_path_factory.mktemp("here") / "lake"
    fill(home)
    return identity(home)


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_the_same_publications_give_the_same_lake_in_other_surroundings(
    here: dict[str, list[str]], tmp_path: Path, name: str
) -> None:
    assert identity_elsewhere(tmp_path / "lake", SURROUNDINGS[name]) == here


def identity_elsewhere(home: Path, surroundings: dict[str, str]) -> dict[str, list[str]]:
    changes = dict(surroundings)
    umask, folder = changes.pop("umask", "022"), changes.pop("cwd", str(ROOT))
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | changes
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(home), umask],
        cwd=folder, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_a_relative_home_is_the_same_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "lake")
    monkeypatch.chdir(tmp_path)
    assert identity(Path("lake")) == identity(tmp_path / "lake")


def test_a_lake_that_takes_its_surroundings_in_is_caught(here: dict[str, list[str]], tmp_path: Path) -> None:
    """The negative control: bytes that hold the zone's time, and an id from the seeded hash."""
    home = tmp_path / "lake"
    fill(home)
    (home / "artifacts" / "zone.txt").write_text(str(datetime(2026, 1, 1, tzinfo=UTC).astimezone()))
    assert identity(home) != here


def test_a_clock_that_goes_backwards_moves_no_head_and_loses_no_order(tmp_path: Path) -> None:
    """The newest publication is the head by its number; creation times are only shown, and listed as they are."""
    clock = HandClock()
    store = new_store(tmp_path / "lake")
    store.clock = store.manifest._clock = clock
    results = []
    for number, jump in enumerate((timedelta(0), timedelta(days=-365), timedelta(days=30), timedelta(days=-4000))):
        clock.time += jump
        results.append(store.publish(free_request([number], key="of=a")))
    assert [head.artifact_id for head in store.heads("outside")] == [results[-1].artifact_id]
    assert [result.superseded_artifact_id for result in results] == [None] + [r.artifact_id for r in results[:-1]]
    assert [record.artifact_id for record in store.publications()] == [result.artifact_id for result in results]
    created = [artifact.created_at for artifact in store.find_by_logical_key("outside", "of=a")]
    assert created == sorted(created, reverse=True)
    back = store.publish(free_request([0], key="of=a"))
    assert (back.deduped, back.superseded_artifact_id) == (True, results[-1].artifact_id)
    store.close()
    assert flaws(tmp_path / "lake") == []


def test_times_before_the_epoch_and_far_in_the_future_are_kept(tmp_path: Path) -> None:
    for year in (1, 1969, 9998):
        home = tmp_path / str(year)
        clock = HandClock(time=datetime(year, 1, 2, tzinfo=UTC))
        store = ParquetArtifactStore.create(LakePaths.from_environment(home, {}), clock=clock)
        artifact = store.publish(free_request([1])).artifact
        assert artifact.created_at.startswith(f"{year:04d}-01-02")
        store.close()
        assert flaws(home) == []
