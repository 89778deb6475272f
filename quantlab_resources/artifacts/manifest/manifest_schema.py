"""The manifest's tables, as named migrations that only ever add tables and columns.

Migration 1 is the earlier store's schema, word for word, so that its readers and its writer go on working on a manifest
that was migrated. The later ones add what quantlab keeps beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import apsw

from quantlab_core.errors import ConflictError, LakeNotFoundError

_EARLIER_STORE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version INTEGER PRIMARY KEY,
    applied_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS artifacts (
    artifact_id TEXT PRIMARY KEY,
    artifact_type TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    logical_key TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'superseded', 'tombstoned')),
    path_parquet TEXT NOT NULL,
    path_sidecar TEXT NOT NULL,
    file_hash TEXT NOT NULL UNIQUE,
    content_hash TEXT NOT NULL,
    row_count INTEGER NOT NULL,
    min_ts TEXT,
    max_ts TEXT,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE TABLE IF NOT EXISTS artifact_lineage (
    artifact_id TEXT NOT NULL REFERENCES artifacts (artifact_id) ON DELETE CASCADE,
    input_artifact_id TEXT NOT NULL REFERENCES artifacts (artifact_id) ON DELETE CASCADE,
    PRIMARY KEY (artifact_id, input_artifact_id)
);
CREATE TABLE IF NOT EXISTS artifact_tags (
    artifact_id TEXT NOT NULL REFERENCES artifacts (artifact_id) ON DELETE CASCADE,
    k TEXT NOT NULL,
    v TEXT NOT NULL,
    PRIMARY KEY (artifact_id, k, v)
);
CREATE TABLE IF NOT EXISTS artifact_supersedes (
    artifact_id TEXT PRIMARY KEY REFERENCES artifacts (artifact_id) ON DELETE CASCADE,
    supersedes_artifact_id TEXT NOT NULL REFERENCES artifacts (artifact_id) ON DELETE RESTRICT
);
CREATE INDEX IF NOT EXISTS idx_artifacts_type_key ON artifacts (artifact_type, logical_key);
CREATE INDEX IF NOT EXISTS idx_artifacts_content_hash ON artifacts (content_hash);
CREATE INDEX IF NOT EXISTS idx_artifacts_type_key_content ON artifacts (artifact_type, logical_key, content_hash);
"""

_HEADS_PUBLICATIONS_AND_JOURNAL = """
ALTER TABLE schema_migrations ADD COLUMN name TEXT NOT NULL DEFAULT '';

-- qlh1_hash: the qlh1 hash of an adopted artifact, whose content_hash is the earlier store's.
-- published_seq: the event that published it; NULL for rows of the earlier store.
ALTER TABLE artifacts ADD COLUMN qlh1_hash TEXT;
ALTER TABLE artifacts ADD COLUMN byte_size INTEGER;
ALTER TABLE artifacts ADD COLUMN published_seq INTEGER;
CREATE UNIQUE INDEX uq_artifacts_identity
    ON artifacts (artifact_type, schema_version, logical_key, content_hash) WHERE published_seq IS NOT NULL;
CREATE INDEX idx_artifacts_qlh1 ON artifacts (artifact_type, logical_key, qlh1_hash) WHERE qlh1_hash IS NOT NULL;
CREATE INDEX idx_artifacts_created ON artifacts (created_at);
CREATE INDEX idx_artifacts_type_created ON artifacts (artifact_type, created_at);
CREATE INDEX idx_artifacts_type_status_ts ON artifacts (artifact_type, status, min_ts);
CREATE INDEX idx_lineage_input ON artifact_lineage (input_artifact_id, artifact_id);
CREATE INDEX idx_tags_kv ON artifact_tags (k, v, artifact_id);

-- One row per committed change; the file events/<seq>.json has these bytes and was durable before the commit.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    sha256 TEXT NOT NULL
);
CREATE TABLE artifact_heads (
    artifact_type TEXT NOT NULL,
    logical_key TEXT NOT NULL,
    artifact_id TEXT NOT NULL REFERENCES artifacts (artifact_id),
    seq INTEGER NOT NULL,
    PRIMARY KEY (artifact_type, logical_key)
) WITHOUT ROWID;
CREATE INDEX idx_heads_artifact ON artifact_heads (artifact_id);
CREATE TABLE head_changes (
    seq INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    artifact_type TEXT NOT NULL,
    logical_key TEXT NOT NULL,
    new_artifact_id TEXT REFERENCES artifacts (artifact_id),
    old_artifact_id TEXT REFERENCES artifacts (artifact_id),
    reason TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (seq, ordinal)
) WITHOUT ROWID;
CREATE INDEX idx_head_changes_key ON head_changes (artifact_type, logical_key, seq);
CREATE TABLE tombstones (
    artifact_id TEXT PRIMARY KEY REFERENCES artifacts (artifact_id),
    seq INTEGER NOT NULL,
    reason TEXT NOT NULL,
    at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE publications (
    seq INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    artifact_id TEXT NOT NULL REFERENCES artifacts (artifact_id),
    deduped INTEGER NOT NULL CHECK (deduped IN (0, 1)),
    run_id TEXT,
    writer_name TEXT NOT NULL,
    writer_version TEXT NOT NULL,
    git_commit TEXT NOT NULL,
    git_dirty INTEGER NOT NULL CHECK (git_dirty IN (0, 1)),
    params TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (seq, ordinal)
) WITHOUT ROWID;
CREATE INDEX idx_publications_artifact ON publications (artifact_id, seq);
CREATE INDEX idx_publications_run ON publications (run_id) WHERE run_id IS NOT NULL;
CREATE TABLE publication_inputs (
    seq INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    input_artifact_id TEXT NOT NULL REFERENCES artifacts (artifact_id),
    PRIMARY KEY (seq, ordinal, input_artifact_id)
) WITHOUT ROWID;
CREATE TABLE experiment_journal (
    seq INTEGER PRIMARY KEY,
    experiment_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    status TEXT NOT NULL,
    at TEXT NOT NULL,
    error TEXT,
    outputs TEXT NOT NULL
);
CREATE INDEX idx_journal_experiment ON experiment_journal (experiment_id, seq);
"""

_ADOPTION_AND_COLLECTION = """
-- Queries name this index of the earlier store: one of its manifests may have lost it.
CREATE INDEX IF NOT EXISTS idx_artifacts_type_key ON artifacts (artifact_type, logical_key);
-- Lists by type and status come newest first; no query asks for min_ts.
DROP INDEX idx_artifacts_type_status_ts;
CREATE INDEX idx_artifacts_type_status_created ON artifacts (artifact_type, status, created_at);
-- Superseded and withdrawn artifacts: few, and where every question about staleness begins.
CREATE INDEX idx_artifacts_replaced ON artifacts (status, created_at) WHERE status <> 'active';
CREATE INDEX idx_supersedes_replaced ON artifact_supersedes (supersedes_artifact_id);
-- Tags in the order in which lists come, so that a frequent tag costs no more than a rare one. Triggers keep it, also
-- for the earlier store's writer.
CREATE TABLE tagged (
    k TEXT NOT NULL,
    v TEXT NOT NULL,
    artifact_type TEXT NOT NULL,
    created_at TEXT NOT NULL,
    artifact_id TEXT NOT NULL,
    PRIMARY KEY (k, v, artifact_type, created_at, artifact_id)
) WITHOUT ROWID;
CREATE INDEX idx_tagged_created ON tagged (k, v, created_at);
DROP INDEX idx_tags_kv;
INSERT INTO tagged SELECT t.k, t.v, a.artifact_type, a.created_at, a.artifact_id
    FROM artifact_tags t JOIN artifacts a ON a.artifact_id = t.artifact_id;
CREATE TRIGGER tag_added AFTER INSERT ON artifact_tags BEGIN
    INSERT OR IGNORE INTO tagged SELECT new.k, new.v, artifact_type, created_at, artifact_id
        FROM artifacts WHERE artifact_id = new.artifact_id;
END;
CREATE TRIGGER tag_removed AFTER DELETE ON artifact_tags BEGIN
    DELETE FROM tagged WHERE k = old.k AND v = old.v AND artifact_id = old.artifact_id;
END;
-- One row per artifact of the earlier store that was taken over, with what could be confirmed of it then.
-- was_head: it was the newest active artifact of its key. file_check: confirmed, differs or missing.
-- content_check: the edition of the earlier content hash that matched, or unconfirmed.
CREATE TABLE adoptions (
    artifact_id TEXT PRIMARY KEY REFERENCES artifacts (artifact_id),
    seq INTEGER NOT NULL,
    was_head INTEGER NOT NULL CHECK (was_head IN (0, 1)),
    file_check TEXT NOT NULL,
    content_check TEXT NOT NULL
) WITHOUT ROWID;
-- Artifacts whose bytes were removed on purpose; their rows and sidecars stay.
CREATE TABLE collections (
    artifact_id TEXT PRIMARY KEY REFERENCES artifacts (artifact_id),
    seq INTEGER NOT NULL,
    at TEXT NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema; ``version`` is the row that it leaves in schema_migrations."""

    version: int
    name: str
    sql: str


EARLIER_STORE_VERSION = 1
MIGRATIONS = (
    Migration(EARLIER_STORE_VERSION, "the earlier store", _EARLIER_STORE),
    Migration(2, "heads, publications, events and journal", _HEADS_PUBLICATIONS_AND_JOURNAL),
    Migration(3, "adoption and collection", _ADOPTION_AND_COLLECTION),
)
LATEST_VERSION = MIGRATIONS[-1].version


def schema_version(connection: apsw.Connection) -> int:
    """The newest migration that the manifest has; 0 for an empty file."""
    row = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_migrations'").fetchone()
    return 0 if row is None else connection.execute("SELECT coalesce(max(version), 0) FROM schema_migrations").get


def check_version(connection: apsw.Connection, path: str) -> None:
    """Raise unless this manifest has exactly the schema that this quantlab reads and writes."""
    version = schema_version(connection)
    if version > LATEST_VERSION:
        raise ConflictError(
            f"{path} was made by a newer quantlab (schema {version}, here {LATEST_VERSION}); update quantlab"
        )
    if version == EARLIER_STORE_VERSION:
        raise LakeNotFoundError(
            f"lake not found: {path} belongs to the earlier store and stays as it is; take it over with"
            " `quantlab lake adopt`, or name another home"
        )
    if version == 0:
        raise LakeNotFoundError(f"lake not found: {path} is empty; run `quantlab lake init`")
    if version < LATEST_VERSION:
        raise LakeNotFoundError(
            f"lake not found: {path} was made by an older quantlab (schema {version}, here {LATEST_VERSION});"
            " `quantlab lake init` brings it up to date"
        )


def migrate(connection: apsw.Connection, *, at: str) -> list[str]:
    """Apply the missing migrations with their records, all of them or none. Returns their names.

    In one transaction: a manifest that a crash left between two of them would be neither the earlier store's nor ours.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        missing = [migration for migration in MIGRATIONS if migration.version > schema_version(connection)]
        for migration in missing:
            connection.execute(migration.sql)
            connection.execute(
                "INSERT OR IGNORE INTO schema_migrations (version, applied_at) VALUES (?, ?)", (migration.version, at)
            )
            if migration.version > EARLIER_STORE_VERSION:
                connection.execute(
                    "UPDATE schema_migrations SET name = ? WHERE version = ?", (migration.name, migration.version)
                )
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # after a COMMIT that the disk refused SQLite has rolled back already
            connection.execute("ROLLBACK")
        raise
    return [migration.name for migration in missing]
