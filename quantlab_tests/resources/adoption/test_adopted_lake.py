"""An adopted lake is a lake: publishing dedupes against it, its manifest can be made anew, its rows are read on."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from quantlab_core.alerts.artifact_types import ALERT_EVENTS, ALERTS
from quantlab_core.artifacts.artifact import PublishRequest
from quantlab_core.artifacts.upcast import upcast
from quantlab_core.candles.artifact_types import OHLCV_SLICE
from quantlab_core.errors import ArtifactDamagedError
from quantlab_resources.adoption.adopt_rows import adopt_pending
from quantlab_resources.artifacts.upkeep.manifest_rebuild import rebuild
from quantlab_tests.resources.adoption.earlier_store import (
    FIRST_TOKEN,
    SECOND_TOKEN,
    EarlierStore,
    alerts,
    small_earlier_lake,
)
from quantlab_tests.resources.adoption.lakes_before_and_after import adopt, adopted, all_rows_of, store_at
from quantlab_tests.resources.artifacts.lakes import WRITER

DAY = "day=2025-05-01/chain=solana"
CALLS = [("2025-05-01T12:00:00Z", FIRST_TOKEN, 1), ("2025-05-01T13:00:00Z", SECOND_TOKEN, 2)]


def request(table: pa.Table, **more: object) -> PublishRequest:
    return PublishRequest("alerts_v1", 1, DAY, table, WRITER, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_content_that_was_adopted_is_found_again_whatever_the_order_of_its_rows(
    tmp_path: Path, order: list[int]
) -> None:
    earlier = EarlierStore(tmp_path)
    one = earlier.publish("alerts_v1", DAY, alerts(CALLS).take(order))
    with adopted(tmp_path) as (store, _):
        again = store.publish(request(alerts(CALLS)))
        assert (again.deduped, again.artifact_id) == (True, one.artifact_id)
        other = store.publish(request(alerts(CALLS[:1])))
        assert (other.deduped, other.superseded_artifact_id) == (False, one.artifact_id)
        back = store.publish(request(alerts(CALLS[::-1])))
        assert (back.deduped, back.artifact_id) == (True, one.artifact_id)
        assert [a.artifact_id for a in store.heads("alerts_v1")] == [one.artifact_id]


def test_content_of_an_adopted_file_that_is_gone_is_not_put_back_as_other_bytes(tmp_path: Path) -> None:
    earlier = EarlierStore(tmp_path)
    one = earlier.publish("alerts_v1", DAY, alerts(CALLS))
    with adopted(tmp_path) as (store, _):
        one.parquet.unlink()
        with pytest.raises(ArtifactDamagedError, match="restore it from a backup"):
            store.publish(request(alerts(CALLS)))
        assert not one.parquet.exists()


def test_a_manifest_made_anew_from_the_events_is_equal_row_for_row(tmp_path: Path) -> None:
    earlier = small_earlier_lake(tmp_path, recorded_root="/gone/artifacts", minutes=60)
    earlier.publish("alerts_v1", DAY, alerts(CALLS), supersedes=earlier.published[1].artifact_id)
    earlier.published[0].parquet.unlink()
    with adopted(tmp_path) as (store, _):
        store.publish(request(alerts(CALLS[:1])))
        store.tombstone(store.heads("alerts_v1", "day=2025-05-02")[0].artifact_id, reason="wrong")
    earlier.publish("alerts_v1", "day=2025-05-09/chain=solana", alerts(CALLS), tags=[("a", "1"), ("a", "2")])
    with closing(store_at(tmp_path)) as store:
        assert adopt_pending(store).adopted == 1
    before = all_rows_of(earlier.manifest)
    assert len(before["adoptions"]) == 13
    with closing(store_at(tmp_path)) as store:
        rebuild(store)
    assert all_rows_of(earlier.manifest) == before


def test_adopted_alerts_events_and_candles_are_read_on_in_the_newest_schema(tmp_path: Path) -> None:
    small_earlier_lake(tmp_path, minutes=60)
    with adopted(tmp_path) as (store, report):
        for name, spec, rows in (
            ("alerts_v1", ALERTS, 5),
            ("alerts_event_v1", ALERT_EVENTS, 3),
            ("ohlcv_slice_v2", OHLCV_SLICE, 240),
        ):
            tables = [upcast(store.read(head.artifact_id), head) for head in store.heads(name)]
            assert sum(table.num_rows for table in tables) == rows
            assert all(table.schema.names == spec.schema.names for table in tables)
        assert all(counts.left_out_rows == 0 for counts in report.types.values())


def test_rows_that_are_not_read_on_are_counted(tmp_path: Path) -> None:
    earlier = EarlierStore(tmp_path)
    earlier.publish("alerts_v1", DAY, alerts([*CALLS, ("no time", FIRST_TOKEN, 3), CALLS[0]]))
    report = adopt(tmp_path)
    counts = report.of_type("alerts_v1", 1)
    assert (counts.rows, counts.left_out_rows) == (4, 2)
