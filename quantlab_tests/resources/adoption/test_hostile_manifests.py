"""A manifest that others wrote: every odd row is reported, none crashes the adoption or leads out of the lake."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from quantlab_core.errors import InvalidInputError
from quantlab_tests.resources.adoption.earlier_store import FIRST_TOKEN, EarlierStore, alerts
from quantlab_tests.resources.adoption.lakes_before_and_after import adopt, adopted, files_as_they_are, store_at

CALL = ("2025-05-01T12:00:00Z", FIRST_TOKEN, 1)


def hostile_lake(home: Path, changes: Sequence[dict[str, Any]]) -> EarlierStore:
    """One artifact as it should be, then one for each of the changes to its row."""
    earlier = EarlierStore(home)
    with closing(sqlite3.connect(earlier.manifest)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for number, change in enumerate([{}, *changes], start=1):
            calls = alerts([("2025-05-01T12:00:00Z", FIRST_TOKEN, number)])
            one = earlier.publish("alerts_v1", f"day=2025-05-{number:02d}/chain=solana", calls)
            for name, value in change.items():
                connection.execute(f"UPDATE artifacts SET {name} = ? WHERE artifact_id = ?", (value, one.artifact_id))  # noqa: S608
            connection.commit()
    return earlier


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"artifact_type": "../../etc"}, "cannot name an artifact type"),
    ({"artifact_type": "a/b"}, "cannot name an artifact type"),
    ({"schema_version": 0}, "schema version must be between"),
    ({"schema_version": -(2**62)}, "schema_version is"),
    ({"row_count": -1}, "row_count is -1"),
    ({"logical_key": "day=../chain=solana"}, "reads like a path"),
    ({"logical_key": "../../x"}, "reads like a path"),
    ({"logical_key": "x" * 100_000}, "logical_key has 100,000 characters"),
    ({"logical_key": "a\nb"}, "control characters"),
    ({"path_parquet": "/x/../../etc/passwd"}, "names no file below"),
    ({"path_parquet": "../outside.parquet"}, "names no file below"),
    ({"path_parquet": "/etc/passwd"}, "names no file below"),
    ({"path_sidecar": "/a//v1/x.json"}, "names no file below"),
    ({"file_hash": "f" * 10_000}, "file_hash has 10,000 characters"),
    ({"content_hash": "qlh1:" + "0" * 64}, "claims a content hash"),
    ({"min_ts": "x" * 50}, "min_ts is no time"),
    ({"created_at": ""}, "created_at is no text"),
]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_rows_that_cannot_be_taken_over_are_refused_and_the_others_are_adopted(tmp_path: Path, elsewhere: bool) -> None:
    earlier = hostile_lake(tmp_path / "old", [change for change, _ in REFUSED])
    before = files_as_they_are(tmp_path)
    report = adopt(tmp_path / "old", into=tmp_path / "new" if elsewhere else None)
    assert (report.adopted, report.heads) == (1, 1)
    reasons = {row.artifact_id.strip("'"): row.reason for row in report.refused}
    assert len(reasons) == len(REFUSED)
    for one, (_, expected) in zip(earlier.published[1:], REFUSED, strict=True):
        assert expected in reasons[one.artifact_id]
    after = files_as_they_are(tmp_path)
    assert {name for name in after.keys() - before.keys() if not name.startswith(("new/", "old/manifest/"))} == set()
    assert {name: after[name] for name in before if "/manifest/" not in name} == {
        name: facts for name, facts in before.items() if "/manifest/" not in name
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "lost"},
        {"row_count": "many"},
        {"schema_version": 1.5},
        {"logical_key": b"\xff\xfe"},
        {"created_at": b"now"},
    ],
)
def test_a_row_that_no_question_can_list_stops_an_adoption_in_place_and_is_left_out_elsewhere(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    earlier = hostile_lake(tmp_path / "old", [changes])
    before = earlier.manifest.read_bytes()
    with pytest.raises(InvalidInputError, match=r"cannot stay in a manifest.*adopt into another home with --home"):
        adopt(tmp_path / "old")
    assert earlier.manifest.read_bytes() == before
    assert not list(earlier.manifest.parent.glob("*before-adoption*"))
    report = adopt(tmp_path / "old", into=tmp_path / "new")
    assert (report.adopted, len(report.refused)) == (1, 1)


def test_text_that_is_no_utf_8_is_refused_without_a_word_of_it(tmp_path: Path) -> None:
    earlier = hostile_lake(tmp_path / "old", [{}])
    with closing(sqlite3.connect(earlier.manifest)) as connection:
        connection.execute("UPDATE artifacts SET logical_key = CAST(x'fffe' AS TEXT) WHERE rowid = 2")
        connection.commit()
    report = adopt(tmp_path / "old", into=tmp_path / "new")
    assert [row.reason for row in report.refused] == ["it holds text that is not UTF-8"]


def test_lineage_in_a_circle_and_to_nobody_is_left_out(tmp_path: Path) -> None:
    earlier = EarlierStore(tmp_path)
    ids = [
        earlier.publish("alerts_v1", f"day=2025-05-0{day}/chain=solana", alerts([CALL] * day)).artifact_id
        for day in (1, 2, 3)
    ]
    with closing(sqlite3.connect(earlier.manifest)) as connection:
        edges = [(ids[0], ids[1]), (ids[1], ids[2]), (ids[2], ids[0]), (ids[0], ids[0]), (ids[0], "nobody")]
        connection.executemany("INSERT INTO artifact_lineage VALUES (?, ?)", edges)
        connection.commit()
    with adopted(tmp_path) as (store, report):
        assert report.lineage_left_out == 3
        assert report.adopted == 3
        lineage = store.get_lineage(ids[0], depth=None)
        assert [artifact.artifact_id for artifact in lineage.inputs] == [ids[1], ids[2]]
        assert store.get_lineage(ids[2], depth=None).inputs == ()


def test_two_rows_with_the_same_bytes_are_one_artifact_and_one_refusal(tmp_path: Path) -> None:
    earlier = EarlierStore(tmp_path / "old")
    one = earlier.publish("alerts_v1", "day=2025-05-01/chain=solana", alerts([CALL]))
    adopt(tmp_path / "old", into=tmp_path / "new")
    other = EarlierStore(tmp_path / "other")
    two = other.publish("alerts_v1", "day=2025-05-01/chain=solana", alerts([CALL]))
    two.parquet.write_bytes(one.parquet.read_bytes())
    two.sidecar.unlink()
    other.execute("UPDATE artifacts SET artifact_id = 'another id', file_hash = ?", (one.file_hash,))
    report = adopt(tmp_path / "other", into=tmp_path / "new")
    assert [row.reason for row in report.refused] == [f"the lake has its bytes as artifact {one.artifact_id}"]
    with closing(store_at(tmp_path / "new")) as store:
        assert [a.artifact_id for a in store.heads("alerts_v1")] == [one.artifact_id]
