"""A lake of the earlier store is taken over into another home, which may hold artifacts already."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from quantlab_core.artifacts.artifact import PublishRequest
from quantlab_core.errors import ConflictError, InvalidInputError, StorageError
from quantlab_resources.adoption.earlier_lake import earlier_lake
from quantlab_resources.adoption.earlier_source import RowsOfAnotherLake
from quantlab_resources.advisory_lock import locked
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_tests.resources.adoption.earlier_store import (
    FIRST_TOKEN,
    SECOND_TOKEN,
    EarlierStore,
    alerts,
    small_earlier_lake,
)
from quantlab_tests.resources.adoption.lakes_before_and_after import adopt, all_rows_of, files_as_they_are, store_at
from quantlab_tests.resources.artifacts.lakes import WRITER, free_request

DAY = "day=2025-05-01/chain=solana"
CALL = ("2025-05-01T12:00:00Z", FIRST_TOKEN, 1)


def test_files_are_copied_under_their_own_names_and_the_old_tree_stays_as_it_is(tmp_path: Path) -> None:
    earlier = small_earlier_lake(tmp_path / "old", recorded_root="/gone/artifacts", minutes=60)
    before = files_as_they_are(tmp_path / "old", without="none")
    report = adopt(tmp_path / "old", into=tmp_path / "new")
    assert files_as_they_are(tmp_path / "old", without="none") == before
    assert (report.adopted, report.heads, report.doubtful) == (11, 11, [])
    rows = all_rows_of(tmp_path / "new" / "manifest" / "manifest.sqlite")
    assert not any(str(value).startswith("/") for row in rows["artifacts"] for value in row)
    with closing(store_at(tmp_path / "new")) as store:
        for one in earlier.published:
            artifact = store.get_artifact(one.artifact_id)
            copied = Path(artifact.path_parquet)
            assert copied.name == one.parquet.name
            assert copied.stat().st_mode & 0o777 == 0o444
            assert copied.read_bytes() == one.parquet.read_bytes()
            assert Path(artifact.path_sidecar).read_bytes() == one.sidecar.read_bytes()
            store.read(one.artifact_id)
    left = sorted(path.name for path in (tmp_path / "new" / "manifest").iterdir() if path.suffix == ".sqlite")
    assert left == sorted([Path(str(report.manifest_copy)).name, "manifest.sqlite"])


def test_a_second_adoption_finds_everything_there_and_takes_what_was_added(tmp_path: Path) -> None:
    earlier = small_earlier_lake(tmp_path / "old", minutes=60)
    adopt(tmp_path / "old", into=tmp_path / "new")
    again = adopt(tmp_path / "old", into=tmp_path / "new")
    assert (again.adopted, again.known_before, again.undo) == (0, 11, None)
    earlier.publish(
        "alerts_v1", "day=2025-05-09/chain=solana", alerts([CALL]), inputs=[earlier.published[0].artifact_id]
    )
    third = adopt(tmp_path / "old", into=tmp_path / "new")
    assert (third.adopted, third.known_before, third.heads) == (1, 11, 1)


def test_the_undo_of_a_lake_that_held_things_leaves_these(tmp_path: Path) -> None:
    small_earlier_lake(tmp_path / "old", minutes=60)
    with closing(
        ParquetArtifactStore.create(store_at(tmp_path / "new").paths, clock=store_at(tmp_path).clock)
    ) as store:
        kept = store.publish(free_request([1, 2]))
    before = all_rows_of(tmp_path / "new" / "manifest" / "manifest.sqlite")
    report = adopt(tmp_path / "old", into=tmp_path / "new")
    assert report.undo is not None
    subprocess.run(report.undo, shell=True, check=True)  # noqa: S602 - it is made for a shell
    assert all_rows_of(tmp_path / "new" / "manifest" / "manifest.sqlite") == before
    with closing(store_at(tmp_path / "new")) as store:
        assert store.read(kept.artifact_id).num_rows == 2
        assert store.publish(free_request([3], key="of=2")).deduped is False
    assert adopt(tmp_path / "old", into=tmp_path / "new").adopted == 11


def test_what_was_published_here_stays_the_head_and_the_adopted_artifact_is_known_beside_it(tmp_path: Path) -> None:
    earlier = EarlierStore(tmp_path / "old")
    one = earlier.publish("alerts_v1", DAY, alerts([CALL]))
    with closing(
        ParquetArtifactStore.create(store_at(tmp_path / "new").paths, clock=store_at(tmp_path).clock)
    ) as store:
        ours = store.publish(
            PublishRequest("alerts_v1", 1, DAY, alerts([("2025-05-01T13:00:00Z", SECOND_TOKEN, 2)]), WRITER)
        )
    adopt(tmp_path / "old", into=tmp_path / "new")
    with closing(store_at(tmp_path / "new")) as store:
        assert [a.artifact_id for a in store.heads("alerts_v1")] == [ours.artifact_id]
        assert [a.artifact_id for a in store.adopted("alerts_v1")] == [one.artifact_id]
        assert store.get_artifact(one.artifact_id).status == "active"


def test_damaged_files_are_left_behind_and_said_to_be_damaged(tmp_path: Path) -> None:
    earlier = EarlierStore(tmp_path / "old")
    earlier.publish("alerts_v1", "day=2025-05-02/chain=solana", alerts([CALL]))
    damaged = earlier.publish("alerts_v1", DAY, alerts([CALL]))
    damaged.parquet.write_bytes(b"?")
    report = adopt(tmp_path / "old", into=tmp_path / "new")
    assert report.of_type("alerts_v1", 1).files == {"confirmed": 1, "differs": 1}
    with closing(store_at(tmp_path / "new")) as store:
        artifact = store.get_artifact(damaged.artifact_id)
        assert not Path(artifact.path_parquet).exists()
        assert Path(artifact.path_sidecar).exists()


def test_a_name_that_is_taken_by_other_bytes_is_not_replaced(tmp_path: Path) -> None:
    earlier = EarlierStore(tmp_path / "old")
    one = earlier.publish("alerts_v1", DAY, alerts([CALL]))
    taken = tmp_path / "new" / one.parquet.relative_to(tmp_path / "old")
    taken.parent.mkdir(parents=True)
    taken.write_bytes(b"mine")
    report = adopt(tmp_path / "old", into=tmp_path / "new")
    assert [row.reason for row in report.refused] == [
        f"{taken.relative_to(tmp_path / 'new' / 'artifacts')} is taken here by other bytes"
    ]
    assert taken.read_bytes() == b"mine"


def test_a_manifest_alone_is_enough_where_the_artifacts_are_named(tmp_path: Path) -> None:
    earlier = small_earlier_lake(tmp_path / "old", recorded_root="/gone/artifacts", minutes=60)
    manifest = earlier.manifest.rename(tmp_path / "rescued.sqlite")
    assert earlier_lake(manifest, tmp_path / "old" / "artifacts").manifest == manifest
    report = adopt(manifest, into=tmp_path / "new", artifacts_root=tmp_path / "old" / "artifacts")
    assert report.adopted == 11


def test_a_lake_of_quantlab_is_no_source(tmp_path: Path) -> None:
    small_earlier_lake(tmp_path / "old", minutes=60)
    adopt(tmp_path / "old")
    with pytest.raises(InvalidInputError, match="a manifest of quantlab already"):
        adopt(tmp_path / "old", into=tmp_path / "new")
    assert not (tmp_path / "new" / "artifacts").exists()


@pytest.mark.parametrize("content", [None, b"no database, but as long as the header of one would be; " * 4])
def test_a_copied_manifest_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    copy = tmp_path / "manifest.before-adoption.sqlite"
    if content is not None:
        copy.write_bytes(content)
    with closing(store_at(tmp_path / "home")) as store:
        rows = RowsOfAnotherLake(store, copy, store.files)
        said = rf"{copy.name} cannot be read .*taken over before is whole"
        with pytest.raises(StorageError, match=said), rows.reading():
            pytest.fail("it was read")


def test_two_adoptions_into_one_home_do_not_mix(tmp_path: Path) -> None:
    small_earlier_lake(tmp_path / "old", minutes=60)
    lock = tmp_path / "new" / "manifest" / "adoption.lock"
    with locked(lock), pytest.raises(ConflictError, match="another adoption is under way"):
        adopt(tmp_path / "old", into=tmp_path / "new")
    assert adopt(tmp_path / "old", into=tmp_path / "new").adopted == 11
