"""A lake whose first events and sidecars were written while the manifest had schema 2 is whole and can be rebuilt."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from quantlab_core.errors import IntegrityError, LakeNotFoundError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.events.event_files import event_numbers, event_path
from quantlab_resources.artifacts.manifest.manifest_queries import find_by_logical_key
from quantlab_resources.artifacts.manifest.manifest_schema import MIGRATIONS, migrate
from quantlab_resources.artifacts.upkeep.manifest_rebuild import rebuild
from quantlab_resources.artifacts.upkeep.verification import verify
from quantlab_resources.lake_paths import LakePaths
from quantlab_tests.copied_lake import copied_lake
from quantlab_tests.resources.artifacts.eventful_lake import eventful_lake, rows_of
from quantlab_tests.resources.artifacts.lakes import HandClock, free_request, new_store

KINDS_OF_SCHEMA_2 = {"artifact", "head", "publication", "tombstone", "experiment"}
"""As they are written now; then, no event had a change of the kind ``artifact``."""


def rewritten(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def made_older(store: ParquetArtifactStore) -> int:
    """Turn all sidecars, and all events that could be, into those of schema 2; how many events that were."""
    for sidecar in store.paths.artifacts_root.glob("*/v*/*.json"):
        body = json.loads(sidecar.read_bytes())
        del body["checksum"]
        rewritten(sidecar, json.dumps(body, ensure_ascii=False).encode() + b"\n")
    turned = 0
    with apsw.Connection(str(store.paths.manifest_db)) as manifest:
        for seq in sorted(event_numbers(store.paths.events)):
            path = event_path(store.paths.events, seq)
            event = json.loads(path.read_bytes())
            if {change["kind"] for change in event["changes"]} <= KINDS_OF_SCHEMA_2:
                data = of_schema_2(event)
                rewritten(path, data)
                digest = hashlib.sha256(data).hexdigest()
                manifest.execute("UPDATE events SET sha256 = ? WHERE seq = ?", (digest, seq))
                turned += 1
    return turned


def of_schema_2(event: dict[str, Any]) -> bytes:
    changes = [change for change in event["changes"] if change["kind"] != "artifact"]
    for change in changes:
        later = {"head": "head", "publication": "unlinked"}.get(change["kind"])
        change.pop(later, None)
    body = {"seq": event["seq"], "at": event["at"], "changes": changes}
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Home of such a lake; to be copied."""
    store = eventful_lake(tmp_path_factory.mktemp("schema-2") / "lake")
    store.close()
    assert made_older(store) > 15
    return store.paths.home


@pytest.fixture
def store(older: Path, tmp_path: Path) -> ParquetArtifactStore:
    home = copied_lake(older, tmp_path / "lake")
    return ParquetArtifactStore(LakePaths.from_environment(home, {}), clock=HandClock())


def test_its_manifest_is_rebuilt_row_for_row_from_events_sidecars_and_later_events(
    store: ParquetArtifactStore,
) -> None:
    before = rows_of(store.paths.manifest_db)
    store.paths.manifest_db.unlink()
    report = rebuild(store)
    assert rows_of(store.paths.manifest_db) == before
    assert (report.lost, report.differing) == ((), 0)


def test_it_verifies_and_goes_on(store: ParquetArtifactStore) -> None:
    assert verify(store, deep=True).problems == ()
    store.publish(free_request([99], key="of=later"))
    before = rows_of(store.paths.manifest_db)
    rebuild(store)
    assert rows_of(store.paths.manifest_db) == before


def test_a_flipped_bit_in_its_sidecars_or_events_is_found(store: ParquetArtifactStore) -> None:
    sidecars = sorted(store.paths.artifacts_root.glob("*/v*/*.json"))[:2]
    paths = [*sidecars, event_path(store.paths.events, 2)]
    for path in paths:
        data = bytearray(path.read_bytes())
        data[data.index(b"artifact_id") + 3] ^= 1
        rewritten(path, bytes(data))
    assert {problem.path for problem in verify(store).problems} == set(map(str, paths))


def test_an_artifact_whose_sidecar_is_gone_stops_the_rebuild_and_is_named(store: ParquetArtifactStore) -> None:
    gone = sorted(store.paths.artifacts_root.glob("outside/v1/*.json"))[0]
    artifact_id = json.loads(gone.read_bytes())["artifact_id"]
    before = rows_of(store.paths.manifest_db)
    gone.unlink()
    with pytest.raises(IntegrityError, match=f"no whole sidecar describes artifact {artifact_id}"):
        rebuild(store)
    assert rows_of(store.paths.manifest_db) == before
    report = rebuild(store, salvage=True)
    assert report.artifacts < len(before["artifacts"])


def test_a_later_event_without_its_checksum_is_damaged(store: ParquetArtifactStore) -> None:
    published = store.publish(free_request([99], key="of=later")).artifact_id
    path = event_path(store.paths.events, store.last_sequence())
    event = json.loads(path.read_bytes())
    del event["sha256"]
    rewritten(path, json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    with pytest.raises(IntegrityError, match=f"event {event['seq']} damaged"):
        rebuild(store)
    assert store.get_artifact(published).row_count == 1


def test_a_manifest_of_schema_2_is_named_and_brought_up_to_date(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    before = rows_of(store.paths.manifest_db)["sqlite_master"]
    store.close()
    store.paths.manifest_db.unlink()
    with apsw.Connection(str(store.paths.manifest_db)) as manifest:
        for migration in MIGRATIONS[:2]:
            manifest.execute(migration.sql)
            manifest.execute("INSERT INTO schema_migrations (version, applied_at) VALUES (?, '')", (migration.version,))
    with pytest.raises(LakeNotFoundError, match=r"older quantlab.*`quantlab lake init` brings it up to date"):
        store.heads("outside")
    ParquetArtifactStore.create(store.paths, clock=store.clock)
    assert store.publish(free_request([1])).artifact.row_count == 1
    assert rows_of(store.paths.manifest_db)["sqlite_master"] == before


def test_a_manifest_that_lost_an_index_of_the_earlier_store_gets_it_back(tmp_path: Path) -> None:
    with closing(apsw.Connection(str(tmp_path / "manifest.sqlite"))) as manifest:
        manifest.execute(MIGRATIONS[0].sql + "DROP INDEX idx_artifacts_type_key")
        manifest.execute("INSERT INTO schema_migrations (version, applied_at) VALUES (1, '')")
        migrate(manifest, at="2025-05-01T00:00:00.000Z")
        assert find_by_logical_key(manifest, "alerts_v1", "day=2025-05-01/chain=solana") == []
