"""The changes ``adoption`` and ``adopted_head``: an earlier artifact is taken over, and stands for its key.

The event of an adoption holds the whole row with its tags, inputs and links, so that neither the earlier manifest nor
its sidecars are needed to make the rows again. What the earlier store said of an artifact's status stays as it said it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import apsw

if TYPE_CHECKING:
    from quantlab_resources.artifacts.manifest.manifest_transaction import ManifestTransaction

ADOPTION = "adoption"
ADOPTED_HEAD = "adopted_head"

_FIELDS = (
    "artifact_id", "artifact_type", "schema_version", "logical_key", "status", "path_parquet", "path_sidecar",
    "file_hash", "content_hash", "row_count", "min_ts", "max_ts", "created_at", "qlh1_hash", "byte_size",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Adoption:
    """One artifact as it is taken over.

    ``row`` has the earlier columns of the table of artifacts; ``tags`` are pairs, for a name may have several values;
    ``inputs`` and ``links`` name artifacts that have their rows. A link is (newer id, older id). ``file_check`` is
    confirmed, differs or missing; ``content_check`` the edition of the earlier content hash that matched, unconfirmed,
    or unreadable where the file holds no table.
    """

    row: Mapping[str, Any]
    qlh1_hash: str | None
    byte_size: int | None
    file_check: str
    content_check: str
    tags: Sequence[tuple[str, str]] = ()
    inputs: Sequence[str] = ()
    links: Sequence[tuple[str, str]] = ()


def record_adoption(transaction: ManifestTransaction, adoption: Adoption) -> None:
    """Take over one artifact, or note what is confirmed of it by now if it was taken over before."""
    change = transaction.note(
        ADOPTION,
        **{name: adoption.row[name] for name in _FIELDS if name not in {"qlh1_hash", "byte_size"}},
        qlh1_hash=adoption.qlh1_hash,
        byte_size=adoption.byte_size,
        file_check=adoption.file_check,
        content_check=adoption.content_check,
        tags=[list(pair) for pair in sorted(adoption.tags)],
        inputs=sorted(adoption.inputs),
        links=[list(link) for link in sorted(adoption.links)],
    )
    replay_adoption(transaction.connection, change, seq=transaction.seq, at=transaction.at)


def replay_adoption(connection: apsw.Connection, change: Mapping[str, Any], *, seq: int, at: str) -> None:
    """The rows of an ``adoption`` change; those that the earlier store wrote in this manifest stay as they are."""
    artifact_id = change["artifact_id"]
    connection.execute(
        f"INSERT INTO artifacts ({', '.join(_FIELDS)}) VALUES ({', '.join(':' + name for name in _FIELDS)})"  # noqa: S608 - fixed names
        " ON CONFLICT (artifact_id) DO UPDATE SET qlh1_hash = excluded.qlh1_hash, byte_size = excluded.byte_size",
        {name: change[name] for name in _FIELDS},
    )
    connection.executemany(
        "INSERT OR IGNORE INTO artifact_tags (artifact_id, k, v) VALUES (?, ?, ?)",
        ((artifact_id, key, value) for key, value in change["tags"]),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO artifact_lineage (artifact_id, input_artifact_id) VALUES (?, ?)",
        ((artifact_id, input_id) for input_id in change["inputs"]),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO artifact_supersedes (artifact_id, supersedes_artifact_id) VALUES (?, ?)",
        ((newer, older) for newer, older in change["links"]),
    )
    connection.execute(
        "INSERT INTO adoptions (artifact_id, seq, was_head, file_check, content_check) VALUES (?, ?, 0, ?, ?)"
        " ON CONFLICT (artifact_id) DO UPDATE SET seq = excluded.seq, file_check = excluded.file_check,"
        " content_check = excluded.content_check",
        (artifact_id, seq, change["file_check"], change["content_check"]),
    )


def record_adopted_head(
    transaction: ManifestTransaction, artifact_type: str, logical_key: str, artifact_id: str, *, old: str | None
) -> None:
    """Let the artifact stand for its key in what was adopted. It becomes the head too, in place of ``old``, unless that
    was published by quantlab: nothing that was published here is displaced by something older."""
    is_head = old is None or not _was_published_here(transaction.connection, old)
    change = transaction.note(
        ADOPTED_HEAD,
        ordinal=transaction.next_ordinal(),
        artifact_type=artifact_type,
        logical_key=logical_key,
        artifact_id=artifact_id,
        old=old,
        is_head=is_head,
    )
    replay_adopted_head(transaction.connection, change, seq=transaction.seq, at=transaction.at)


def replay_adopted_head(connection: apsw.Connection, change: Mapping[str, Any], *, seq: int, at: str) -> None:
    """The rows of an ``adopted_head`` change."""
    values = {**change, "seq": seq, "at": at}
    connection.execute("UPDATE adoptions SET was_head = 1 WHERE artifact_id = ?", (change["artifact_id"],))
    if not change["is_head"]:
        return
    connection.execute(
        "INSERT INTO head_changes (seq, ordinal, artifact_type, logical_key, new_artifact_id, old_artifact_id, reason,"
        " at) VALUES (:seq, :ordinal, :artifact_type, :logical_key, :artifact_id, :old,"
        " 'newest active artifact of the earlier store', :at)",
        {name: values[name] for name in ("seq", "ordinal", "artifact_type", "logical_key", "artifact_id", "old", "at")},
    )
    connection.execute(
        "INSERT OR REPLACE INTO artifact_heads (artifact_type, logical_key, artifact_id, seq) VALUES (?, ?, ?, ?)",
        (change["artifact_type"], change["logical_key"], change["artifact_id"], seq),
    )


def _was_published_here(connection: apsw.Connection, artifact_id: str) -> bool:
    row = connection.execute(
        "SELECT published_seq IS NOT NULL FROM artifacts WHERE artifact_id = ?", (artifact_id,)
    ).fetchone()
    return row is not None and bool(row[0])
