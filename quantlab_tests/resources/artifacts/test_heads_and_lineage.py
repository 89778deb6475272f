"""Which artifact is current under a key, what replaced what, and what was made from what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from quantlab_core.artifacts.artifact import ArtifactStatus, PublishRequest
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET, RAW_FILE
from quantlab_core.errors import ArtifactNotFoundError, ConflictError, InvalidInputError, SupersedeError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.manifest.heads_as_of import heads_as_of, last_sequence
from quantlab_tests.resources.artifacts.lakes import WRITER, free_request, new_store, slice_request

SLICES = "ohlcv_slice_v2"


def head_ids(store: ParquetArtifactStore, type_: str = "outside") -> list[str]:
    return [head.artifact_id for head in store.heads(type_)]


def history(store: ParquetArtifactStore) -> list[tuple[str | None, str | None, str]]:
    with store.manifest.reading() as connection:
        return list(
            connection.execute(
                "SELECT new_artifact_id, old_artifact_id, reason FROM head_changes ORDER BY seq, ordinal"
            )
        )


def links(store: ParquetArtifactStore) -> list[tuple[str, str]]:
    with store.manifest.reading() as connection:
        return list(connection.execute("SELECT artifact_id, supersedes_artifact_id FROM artifact_supersedes"))


def status(store: ParquetArtifactStore, artifact_id: str) -> ArtifactStatus:
    return store.get_artifact(artifact_id).status


def test_new_content_becomes_the_head_and_old_content_can_come_back(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    a = store.publish(free_request([1]))
    b = store.publish(free_request([2], supersede_reason="corrected"))
    assert (b.superseded_artifact_id, head_ids(store)) == (a.artifact_id, [b.artifact_id])
    assert status(store, a.artifact_id) is ArtifactStatus.SUPERSEDED
    again = store.publish(free_request([1], supersede_reason="the correction was wrong"))
    assert (again.artifact_id, again.deduped, again.superseded_artifact_id) == (a.artifact_id, True, b.artifact_id)
    assert head_ids(store) == [a.artifact_id]
    assert (status(store, a.artifact_id), status(store, b.artifact_id)) == (
        ArtifactStatus.ACTIVE,
        ArtifactStatus.SUPERSEDED,
    )
    assert history(store) == [
        (a.artifact_id, None, "first content under the key"),
        (b.artifact_id, a.artifact_id, "corrected"),
        (a.artifact_id, b.artifact_id, "the correction was wrong"),
    ]
    assert links(store) == [(a.artifact_id, b.artifact_id)]


def test_heads_are_sorted_by_key_and_limited_to_the_prefix(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    for key in ("of=b", "of=a", "of=a_"):
        store.publish(free_request([1], key=key))
    assert [head.logical_key for head in store.heads("outside")] == ["of=a", "of=a_", "of=b"]
    assert [head.logical_key for head in store.heads("outside", "of=a")] == ["of=a", "of=a_"]
    assert store.heads("outside", "of=_") == []


def test_every_artifact_of_a_key_is_found_newest_first(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    ids = [store.publish(free_request([n])).artifact_id for n in (1, 2, 3)]
    assert [a.artifact_id for a in store.find_by_logical_key("outside", "of=1")] == ids[::-1]


def test_one_artifact_can_supersede_another_of_its_type_by_hand(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    wrong = store.publish(free_request([1], key="of=wrong")).artifact_id
    right = store.publish(free_request([1], key="of=right")).artifact_id
    store.supersede(right, wrong, reason="the key was misspelt")
    assert status(store, wrong) is ArtifactStatus.SUPERSEDED
    assert head_ids(store) == [right]
    assert links(store) == [(right, wrong)]
    assert history(store)[-1] == (right, wrong, "the key was misspelt")


def test_supersession_by_hand_is_refused_where_it_makes_no_sense(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    a = store.publish(free_request([1], key="of=a")).artifact_id
    b = store.publish(free_request([1], key="of=b")).artifact_id
    c = store.publish(free_request([1], key="of=c")).artifact_id
    other_type = store.publish(free_request([1], type_="another")).artifact_id
    withdrawn = store.publish(free_request([1], key="of=w")).artifact_id
    store.tombstone(withdrawn, reason="wrong")
    store.supersede(b, a, reason="first")
    store.supersede(c, b, reason="second")
    before = history(store)
    for new, old, words in [
        (a, a, "itself"),
        (other_type, c, "another"),
        (withdrawn, c, "was withdrawn"),
        (c, withdrawn, "was withdrawn"),
        (a, c, "the other way round"),
        (c, a, "already superseded"),
    ]:
        with pytest.raises(SupersedeError, match=words):
            store.supersede(new, old, reason="no")
    for new, old in [("nobody", c), (c, "nobody")]:
        with pytest.raises(ArtifactNotFoundError):
            store.supersede(new, old, reason="no")
    assert history(store) == before


def test_a_tombstoned_artifact_is_readable_but_no_head_and_its_content_is_refused(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    gone = store.publish(free_request([1])).artifact_id
    child = store.publish(free_request([2], key="of=child", input_artifact_ids=[gone])).artifact_id
    store.tombstone(gone, reason="source was faked")
    store.tombstone(gone, reason="twice is no change")
    assert head_ids(store) == [child]
    assert store.read(gone).num_rows == 1
    assert [a.artifact_id for a in store.get_downstream(gone)] == [child]
    with pytest.raises(ConflictError, match="withdrawn"):
        store.publish(free_request([1]))
    after = store.publish(free_request([3]))
    assert after.superseded_artifact_id is None
    assert history(store)[2:] == [
        (None, gone, "source was faked"),
        (after.artifact_id, None, "first content under the key"),
    ]


def test_withdrawn_content_is_published_again_only_when_asked_for(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    back = store.publish(free_request([1])).artifact_id
    store.tombstone(back, reason="  source was faked ")
    assert tombstones(store) == [(back, "source was faked")]
    with pytest.raises(ConflictError, match="ask for its revival"):
        store.publish(free_request([1]))
    Path(store.get_artifact(back).path_parquet).unlink()
    revived = store.publish(free_request([1], revive=True))
    assert (revived.artifact_id, revived.deduped, head_ids(store)) == (back, True, [back])
    assert store.read(back).num_rows == 1, "its file was put back"
    assert tombstones(store) == []
    assert history(store)[1:] == [
        (None, back, "source was faked"),
        (back, None, "withdrawn content published again"),
    ]
    other = store.publish(free_request([2])).artifact_id
    store.tombstone(back, reason="faked after all")
    store.publish(free_request([1], revive=True, supersede_reason="it was not"))
    assert history(store)[-1] == (back, other, "it was not")
    assert (status(store, back), status(store, other)) == (ArtifactStatus.ACTIVE, ArtifactStatus.SUPERSEDED)
    assert store.publish(free_request([3], revive=True)).deduped is False, "nothing to revive is no error"


def tombstones(store: ParquetArtifactStore) -> list[tuple[str, str]]:
    with store.manifest.reading() as connection:
        return list(connection.execute("SELECT artifact_id, reason FROM tombstones"))


@pytest.mark.parametrize("reason", ["", " \n", "\ud800"])
def test_withdrawal_and_supersession_need_a_reason_in_words(tmp_path: Path, reason: str) -> None:
    store = new_store(tmp_path)
    a = store.publish(free_request([1], key="of=a")).artifact_id
    b = store.publish(free_request([1], key="of=b")).artifact_id
    for change in (
        lambda: store.tombstone(a, reason=reason),
        lambda: store.supersede(b, a, reason=reason),
    ):
        with pytest.raises(InvalidInputError, match="reason"):
            change()
    assert (status(store, a), store.last_sequence()) == (ArtifactStatus.ACTIVE, 2)
    with pytest.raises(ArtifactNotFoundError):
        store.tombstone("nobody", reason="wrong")


def test_a_key_of_an_append_only_type_takes_one_content(tmp_path: Path) -> None:
    store = new_store(tmp_path)

    def raw_file(size: int) -> PublishRequest:
        digest = "a" * 64
        return PublishRequest(
            RAW_FILE.name, RAW_FILE.version, f"kind=telegram_export/sha256={digest}",
            pa.Table.from_pylist(
                [{"sha256": digest, "byte_size": size, "kind": "telegram_export"}], schema=RAW_FILE.schema
            ),
            WRITER,
        )  # fmt: skip

    assert RAW_FILE.append_only
    first = store.publish(raw_file(2)).artifact_id
    with pytest.raises(ConflictError, match="append-only"):
        store.publish(raw_file(3))
    assert store.publish(raw_file(2)).deduped
    assert head_ids(store, RAW_FILE.name) == [first]
    store.tombstone(first, reason="wrong size")
    assert store.publish(raw_file(3)).superseded_artifact_id is None


def test_an_active_artifact_is_in_nobodys_shadow(tmp_path: Path) -> None:
    """A is replaced by B, B is withdrawn, A comes back: no link may say that B stands in its place."""
    store = new_store(tmp_path)
    a = store.publish(free_request([1])).artifact_id
    b = store.publish(free_request([2])).artifact_id
    assert links(store) == [(b, a)]
    store.tombstone(b, reason="wrong")
    store.publish(free_request([1]))
    assert (head_ids(store), links(store)) == ([a], [])


def test_lineage_is_nearest_first_and_cut_at_the_depth(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    raw = store.publish(free_request([1], key="of=raw")).artifact_id
    left = store.publish(free_request([2], key="of=left", input_artifact_ids=[raw])).artifact_id
    right = store.publish(free_request([3], key="of=right", input_artifact_ids=[raw])).artifact_id
    top = store.publish(free_request([4], key="of=top", input_artifact_ids=[left, right, raw, raw])).artifact_id
    deep = store.publish(free_request([5], key="of=deep", input_artifact_ids=[top])).artifact_id
    one = store.get_lineage(deep)
    assert ([a.artifact_id for a in one.inputs], one.depth) == ([top], 1)
    everything = store.get_lineage(deep, None)
    assert [a.logical_key for a in everything.inputs] == ["of=top", "of=left", "of=raw", "of=right"]
    assert everything.depth == 3
    assert {(e.artifact_id, e.input_artifact_id, e.depth) for e in everything.edges} == {
        *((deep, top, 1), (top, left, 2), (top, right, 2), (top, raw, 2), (left, raw, 3), (right, raw, 3)),
    }
    assert [a.logical_key for a in store.get_downstream(raw, None)] == ["of=left", "of=right", "of=top", "of=deep"]
    assert [a.logical_key for a in store.get_downstream(raw)] == ["of=left", "of=right", "of=top"]
    assert store.get_lineage(raw, None).inputs == ()
    with pytest.raises(ArtifactNotFoundError):
        store.get_lineage("nobody")
    with pytest.raises(InvalidInputError):
        store.get_lineage(raw, -1)


def test_a_set_stands_for_its_members(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    members = [store.publish(slice_request([1.0], key=key)).artifact_id for key in ("1", "2")]
    frozen = store.publish(
        PublishRequest(
            ARTIFACT_SET.name, 1, "of=candles/selection=all", ARTIFACT_SET.schema.empty_table(), WRITER,
            input_artifact_ids=members,
        )
    ).artifact_id  # fmt: skip
    trades = store.publish(free_request([1], key="of=trades", input_artifact_ids=[frozen])).artifact_id
    direct = store.get_lineage(trades, 1)
    assert {a.artifact_id for a in direct.inputs} == {frozen, *members}
    assert {a.artifact_id for a in store.get_downstream(members[0], 1)} == {frozen, trades}
    assert {a.artifact_id for a in store.get_lineage(frozen, 1).inputs} == set(members)


def test_publishing_known_content_from_its_own_descendant_makes_no_cycle(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    a = store.publish(free_request([1], key="of=a")).artifact_id
    b = store.publish(free_request([2], key="of=b", input_artifact_ids=[a])).artifact_id
    again = store.publish(free_request([1], key="of=a", input_artifact_ids=[b]))
    assert again.deduped
    assert store.get_lineage(a, None).inputs == ()
    with store.manifest.reading() as connection:
        assert list(connection.execute("SELECT input_artifact_id FROM publication_inputs WHERE seq = 3")) == [(b,)]


def test_two_new_artifacts_cannot_be_made_from_each_other(tmp_path: Path) -> None:
    other = new_store(tmp_path / "other")
    requests = [free_request([1], "of=1"), free_request([2], "of=2")]
    one, two = (result.artifact_id for result in other.publish_many(requests))
    store = new_store(tmp_path / "lake")
    with pytest.raises(ConflictError, match="cannot be made from what is made from itself; nothing was published"):
        store.publish_many(
            [replace(requests[0], input_artifact_ids=[two]), replace(requests[1], input_artifact_ids=[one])]
        )
    assert head_ids(store) == []
    store.publish_many([replace(requests[0], input_artifact_ids=[two]), requests[1]])
    assert [edge.input_artifact_id for edge in store.get_lineage(one).edges] == [two]


def test_an_artifact_of_another_key_that_took_over_is_no_head_of_the_key_in_an_earlier_state(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    old = store.publish(free_request([1], "of=1")).artifact_id
    new = store.publish(free_request([2], "of=2")).artifact_id
    store.supersede(new, old, reason="moved to another key")
    with store.manifest.reading() as connection:
        sequence = last_sequence(connection)
    store.publish(free_request([1], "of=1"))
    with store.manifest.reading() as connection:
        found = heads_as_of(connection, "outside", "of=", sequence=sequence, run_id="another")
    assert [artifact.artifact_id for artifact in found] == [new]
