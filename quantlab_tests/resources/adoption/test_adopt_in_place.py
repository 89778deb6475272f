"""A lake of the earlier store is taken over where it is: what is confirmed and found, and that it can be undone."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from quantlab_core.errors import (
    ArtifactMissingError,
    ConflictError,
    IntegrityError,
    InvalidInputError,
    LakeNotFoundError,
)
from quantlab_resources.adoption import adopt_rows
from quantlab_resources.adoption.adopt_lake import adopt_lake
from quantlab_resources.adoption.adopt_rows import adopt_pending
from quantlab_resources.adoption.earlier_lake import earlier_lake
from quantlab_tests.resources.adoption.earlier_store import (
    E1,
    FIRST_TOKEN,
    SECOND_TOKEN,
    EarlierStore,
    alerts,
    small_earlier_lake,
)
from quantlab_tests.resources.adoption.lakes_before_and_after import (
    adopt,
    adopted,
    earlier_rows,
    files_as_they_are,
    store_at,
)

DAY = "day=2025-05-01/chain=solana"
CALL = ("2025-05-01T12:00:00Z", FIRST_TOKEN, 1)
LATER_CALL = ("2025-05-01T13:00:00Z", SECOND_TOKEN, 2)


def test_every_artifact_is_adopted_and_says_what_could_be_confirmed(tmp_path: Path) -> None:
    earlier = small_earlier_lake(tmp_path, minutes=60)
    with adopted(tmp_path) as (store, report):
        assert report.adopted == report.heads == len(earlier.published) == 11
        assert report.doubtful == []
        counts = report.of_type("alerts_v1", 1)
        assert (counts.files, counts.content, counts.sidecars) == (
            {"confirmed": 4},
            {"E1": 1, "E2": 3},
            {"confirmed": 4},
        )
        assert report.of_type("experiment_trades", 1).content == {"plain": 1}
        assert report.of_type("ohlcv_slice_v2", 2).rows == 4 * 60
        for one in earlier.published:
            artifact = store.get_artifact(one.artifact_id)
            assert (artifact.content_hash, artifact.file_hash) == (one.content_hash, one.file_hash)
            assert artifact.path_parquet == str(one.parquet)
        (trades,) = store.heads("experiment_trades")
        assert {a.artifact_type for a in store.get_lineage(trades.artifact_id, depth=None).inputs} == {
            "alerts_v1",
            "alerts_event_v1",
        }
        assert store.read(store.heads("alerts_v1", DAY)[0].artifact_id).equals(
            alerts([("2025-05-01T12:00:07.250Z", FIRST_TOKEN, 11), ("2025-05-01T18:30:00Z", SECOND_TOKEN, 12)])
        )
        assert [a.logical_key for a in store.adopted("alerts_event_v1")] == [DAY, "day=2025-05-02/chain=solana"]


def test_no_old_file_is_written_to_and_no_row_of_the_earlier_store_is_changed(tmp_path: Path) -> None:
    earlier = small_earlier_lake(tmp_path, minutes=60)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "ohlcv_cache.duckdb").write_bytes(b"x")
    before, rows = files_as_they_are(tmp_path), earlier_rows(earlier.manifest)
    adopt(tmp_path)
    assert files_as_they_are(tmp_path) == before
    assert earlier_rows(earlier.manifest) == rows


def test_the_printed_command_puts_everything_back(tmp_path: Path) -> None:
    home = tmp_path / "a lake with 'quotes'"
    earlier = small_earlier_lake(home, minutes=60)
    before, files = list(earlier.sql().iterdump()), files_as_they_are(home)
    report = adopt(home)
    assert report.undo is not None
    assert report.manifest_copy is not None
    subprocess.run(report.undo, shell=True, check=True)  # noqa: S602 - it is made for a shell
    assert list(earlier.sql().iterdump()) == before
    assert files_as_they_are(home) == files
    assert not report.manifest_copy.exists()
    assert list((home / "manifest" / "events").iterdir()) == []
    again = adopt(home)
    assert again.adopted == report.adopted


def test_a_second_adoption_finds_nothing_to_do(tmp_path: Path) -> None:
    small_earlier_lake(tmp_path, minutes=60)
    adopt(tmp_path)
    files = files_as_they_are(tmp_path, without="none")
    again = adopt(tmp_path)
    assert (again.adopted, again.heads, again.undo, again.manifest_copy) == (0, 0, None, None)
    now = files_as_they_are(tmp_path, without="none")
    assert {name for name in files.keys() | now.keys() if files.get(name) != now.get(name)} <= {
        "manifest/manifest.sqlite",
        "manifest/manifest.sqlite-shm",
        "manifest/manifest.sqlite-wal",
    }


def test_files_are_found_though_the_manifest_names_a_machine_that_is_gone(tmp_path: Path) -> None:
    earlier = small_earlier_lake(tmp_path / "then", recorded_root="/Volumes/gone/artifacts", minutes=60)
    shutil.move(tmp_path / "then", tmp_path / "now")
    with adopted(tmp_path / "now") as (store, report):
        assert report.doubtful == []
        artifact = store.get_artifact(earlier.published[0].artifact_id)
        assert artifact.path_parquet.startswith(str(tmp_path / "now" / "artifacts" / "alerts_event_v1" / "v1"))
        assert store.read(artifact.artifact_id).num_rows == 2


def test_the_newest_active_artifact_of_a_key_is_its_head_and_the_others_stay_active(tmp_path: Path) -> None:
    earlier = EarlierStore(tmp_path)
    now = datetime(2025, 7, 1, tzinfo=UTC)
    newest = earlier.publish("alerts_v1", DAY, alerts([CALL]), created_at=now)
    older = earlier.publish("alerts_v1", DAY, alerts([LATER_CALL]), created_at=now - timedelta(days=1))
    superseded = earlier.publish(
        "alerts_v1", DAY, alerts([CALL, LATER_CALL]), status="superseded", created_at=now + timedelta(days=1)
    )
    with adopted(tmp_path) as (store, report):
        assert [a.artifact_id for a in store.heads("alerts_v1")] == [newest.artifact_id]
        assert [(one.logical_key, one.artifacts) for one in report.several_active] == [(DAY, 2)]
        statuses = [store.get_artifact(a.artifact_id).status for a in (newest, older, superseded)]
        assert statuses == ["active", "active", "superseded"]
        assert [a.artifact_id for a in store.adopted("alerts_v1")] == [newest.artifact_id]


@pytest.mark.parametrize("damage", ["gone", "other bytes", "no parquet"])
def test_what_cannot_be_read_is_adopted_but_stands_for_no_key(tmp_path: Path, damage: str) -> None:
    earlier = EarlierStore(tmp_path)
    whole = earlier.publish("alerts_v1", DAY, alerts([CALL]))
    newer = earlier.publish("alerts_v1", DAY, alerts([LATER_CALL]))
    alone = earlier.publish("alerts_v1", "day=2025-05-02/chain=solana", alerts([("2025-05-02T00:00:00Z", "So1", 3)]))
    for one in (newer, alone):
        if damage == "gone":
            one.parquet.unlink()
        elif damage == "other bytes":
            one.parquet.write_bytes(one.parquet.read_bytes()[:-1] + b"?")
        else:
            one.parquet.write_bytes(b"no table" + one.artifact_id.encode())
            digest = hashlib.sha256(one.parquet.read_bytes()).hexdigest()
            earlier.execute("UPDATE artifacts SET file_hash = ? WHERE artifact_id = ?", (digest, one.artifact_id))
    with adopted(tmp_path) as (store, report):
        assert report.adopted == 3
        assert [a.artifact_id for a in store.heads("alerts_v1")] == [whole.artifact_id]
        assert report.without_head == [("alerts_v1", "day=2025-05-02/chain=solana")]
        expected = {"gone": "missing", "other bytes": "differs", "no parquet": "confirmed"}[damage]
        assert report.of_type("alerts_v1", 1).files == (
            {"confirmed": 3} if expected == "confirmed" else {"confirmed": 1, expected: 2}
        )
        assert {one.artifact_id for one in report.doubtful} == {newer.artifact_id, alone.artifact_id}


def test_a_file_that_came_back_is_confirmed_by_the_next_adoption(tmp_path: Path) -> None:
    earlier = EarlierStore(tmp_path)
    earlier.publish("alerts_v1", "day=2025-05-02/chain=solana", alerts([CALL]))
    one = earlier.publish("alerts_v1", DAY, alerts([CALL]))
    kept = one.parquet.rename(tmp_path / "kept")
    assert adopt(tmp_path).without_head == [("alerts_v1", DAY)]
    kept.rename(one.parquet)
    with adopted(tmp_path) as (store, report):
        assert (report.adopted, report.checked_again, report.heads) == (0, 1, 1)
        assert [a.artifact_id for a in store.heads("alerts_v1", DAY)] == [one.artifact_id]
        assert list(report.without_head) == []


def test_a_key_whose_adopted_head_was_withdrawn_stays_without_one(tmp_path: Path) -> None:
    earlier = EarlierStore(tmp_path)
    earlier.publish("alerts_v1", DAY, alerts([CALL]))
    newer = earlier.publish("alerts_v1", DAY, alerts([LATER_CALL]))
    with adopted(tmp_path) as (store, _):
        store.tombstone(newer.artifact_id, reason="wrong calls")
        assert adopt_pending(store).heads == 0
        assert store.heads("alerts_v1") == []


def test_torn_and_missing_sidecars_are_reported_and_stop_nothing(tmp_path: Path) -> None:
    earlier = EarlierStore(tmp_path)
    torn, gone, other, odd = [
        earlier.publish("alerts_v1", f"day=2025-05-0{number}/chain=solana", alerts([CALL, (CALL[0], "So1", number)]))
        for number in (1, 2, 3, 4)
    ]
    torn.sidecar.write_bytes(torn.sidecar.read_bytes()[:40])
    gone.sidecar.unlink()
    other.sidecar.write_bytes(odd.sidecar.read_bytes())
    odd.sidecar.write_text(json.dumps({"identity": {"canonical_cols": [1], "sort_keys": "x"}, "a": [[[]]] * 9}))
    report = adopt(tmp_path)
    assert report.of_type("alerts_v1", 1).sidecars == {"differs": 3, "missing": 1}
    assert report.of_type("alerts_v1", 1).content == {"E2": 4}
    assert report.heads == 4


def test_an_adoption_that_was_interrupted_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = small_earlier_lake(tmp_path, minutes=60)
    monkeypatch.setattr(adopt_rows, "_ROWS_A_TRANSACTION", 3)
    store = store_at(tmp_path)

    def stop(done: int, total: int) -> None:
        if done >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        adopt_lake(store, earlier_lake(tmp_path), stop)
    assert len(store.adopted("alerts_v1")) == 0
    store.close()
    with adopted(tmp_path) as (again, report):
        assert (report.adopted, report.heads) == (len(earlier.published) - 6, len(earlier.published))
        assert again.get_lineage(again.heads("experiment_trades")[0].artifact_id, depth=None).depth == 2


def test_the_earlier_writer_goes_on_writing_and_its_rows_are_completed(tmp_path: Path) -> None:
    earlier = small_earlier_lake(tmp_path, minutes=60)
    adopt(tmp_path)
    added = earlier.publish(
        "alerts_v1",
        "day=2025-05-09/chain=solana",
        alerts([("2025-05-09T00:00:00Z", FIRST_TOKEN, 9)]),
        tags=[("era", "after")],
        inputs=[earlier.published[0].artifact_id],
    )
    newer = earlier.publish("alerts_v1", DAY, alerts([CALL]), supersedes=earlier.published[1].artifact_id)
    selected = earlier.execute(
        "SELECT a.artifact_id, t.v FROM artifacts a JOIN artifact_tags t USING (artifact_id) WHERE t.k = 'era'"
        " AND a.logical_key = ? AND a.status = 'active'",
        ("day=2025-05-09/chain=solana",),
    )
    assert selected == [(added.artifact_id, "after")]
    with adopted(tmp_path) as (store, report):
        assert (report.adopted, report.heads, report.undo) == (2, 2, None)
        assert [a.artifact_id for a in store.heads("alerts_v1", DAY)] == [newer.artifact_id]
        assert [a.artifact_id for a in store.get_lineage(added.artifact_id).inputs] == [
            earlier.published[0].artifact_id
        ]
        assert adopt_pending(store).adopted == 0


def test_what_nobody_registered_is_reported_and_left_alone(tmp_path: Path) -> None:
    earlier = small_earlier_lake(tmp_path, minutes=60)
    stray = earlier.root / "alerts_v1" / "v1" / "stray.parquet"
    stray.write_bytes(earlier.published[0].parquet.read_bytes())
    folders = [
        "artifacts/_quarantine",
        "artifacts/_quarantine_alerts_1",
        "staging/alerts_v1_shards",
        "cache",
        "coverage",
    ]
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x.parquet").write_bytes(b"x")
    before = files_as_they_are(tmp_path)
    report = adopt(tmp_path)
    assert report.unregistered == ["alerts_v1/v1/stray.parquet"]
    assert {folder.name for folder in report.left_alone} == {
        "_quarantine",
        "_quarantine_alerts_1",
        "staging",
        "cache",
        "coverage",
    }
    assert files_as_they_are(tmp_path) == before


OPENER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM artifacts").fetchone()
print("open", flush=True)
sys.stdin.read()
"""


def test_a_manifest_that_another_process_has_open_is_not_touched(tmp_path: Path) -> None:
    earlier = small_earlier_lake(tmp_path, minutes=60)
    before = list(earlier.sql().iterdump())
    with subprocess.Popen(
        [sys.executable, "-c", OPENER, str(earlier.manifest)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(ConflictError, match="open in another process; nothing was changed"):
            adopt(tmp_path)
        other.communicate(b"")
    assert list(earlier.sql().iterdump()) == before
    assert not list(earlier.manifest.parent.glob("*before-adoption*"))
    assert adopt(tmp_path).adopted == 11


def test_another_root_than_the_artifacts_is_refused_before_anything_is_changed(tmp_path: Path) -> None:
    earlier = small_earlier_lake(tmp_path, minutes=60)
    shutil.move(earlier.root, tmp_path / "elsewhere")
    earlier.root.mkdir()
    before = list(earlier.sql().iterdump())
    with pytest.raises(InvalidInputError, match="none of the 11 files is below"):
        adopt(tmp_path)
    assert list(earlier.sql().iterdump()) == before
    assert not list(earlier.manifest.parent.glob("*before-adoption*"))


def test_what_is_no_manifest_of_the_earlier_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LakeNotFoundError, match="there is no manifest at"):
        adopt(tmp_path)
    manifest = tmp_path / "manifest" / "manifest.sqlite"
    manifest.parent.mkdir()
    manifest.write_bytes(b"no database at all" * 100)
    with pytest.raises(LakeNotFoundError, match="there is no folder"):
        adopt(tmp_path)
    (tmp_path / "artifacts").mkdir()
    with pytest.raises(IntegrityError, match="damaged or no manifest"):
        adopt(tmp_path)
    assert manifest.read_bytes() == b"no database at all" * 100
    manifest.unlink()
    with sqlite3.connect(manifest) as connection:
        connection.execute("CREATE TABLE artifacts (artifact_id TEXT)")
    connection.close()
    with pytest.raises(InvalidInputError, match="its table artifacts has no column artifact_type"):
        adopt(tmp_path)
    assert [path.name for path in sorted(manifest.parent.iterdir()) if "lock" not in path.name] == ["manifest.sqlite"]


def test_content_that_no_edition_explains_is_adopted_as_unconfirmed(tmp_path: Path) -> None:
    earlier = EarlierStore(tmp_path)
    one = earlier.publish("alerts_v1", DAY, alerts([CALL]), edition=E1)
    earlier.execute("UPDATE artifacts SET content_hash = 'sha256:0', row_count = 7")
    with adopted(tmp_path) as (store, report):
        assert report.of_type("alerts_v1", 1).content == {"unconfirmed": 1}
        assert report.doubtful[0].doubts == ("content unconfirmed", "1 rows, recorded are 7")
        assert [a.artifact_id for a in store.heads("alerts_v1")] == [one.artifact_id]


def test_types_that_nobody_knows_and_columns_of_any_kind_are_adopted(tmp_path: Path) -> None:
    earlier = EarlierStore(tmp_path)
    table = pa.table({"metric": ["a", None], "value": [1.5, None], "when": pa.array([1, 2], pa.timestamp("ns"))})
    one = earlier.publish("run_metrics", "run=1", table, schema_version=3)
    empty = earlier.publish("alerts_v1", DAY, alerts([]))
    with adopted(tmp_path) as (store, report):
        assert report.doubtful == []
        assert report.of_type("alerts_v1", 1).content == {"empty": 1}
        assert store.read(one.artifact_id).equals(table)
        assert store.read(empty.artifact_id).num_rows == 0


def test_a_missing_file_is_a_typed_error_when_it_is_read(tmp_path: Path) -> None:
    earlier = EarlierStore(tmp_path)
    one = earlier.publish("alerts_v1", DAY, alerts([CALL]))
    earlier.publish("alerts_v1", "day=2025-05-02/chain=solana", alerts([LATER_CALL]))
    one.parquet.unlink()
    with adopted(tmp_path) as (store, _), pytest.raises(ArtifactMissingError, match="is gone"):
        store.read(one.artifact_id)
