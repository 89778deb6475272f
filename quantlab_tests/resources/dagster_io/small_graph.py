"""A small asset graph over real artifact types: what its assets yield is set by the test, all else is as in the lab."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from quantlab_assets.artifact_asset import Step, Upstream, artifact_asset
from quantlab_assets.frozen_sets import current_set_draft
from quantlab_assets.partitions import DAYS, EXPORTS, RANGE_TAGS
from quantlab_core.alerts.artifact_types import (
    ALERT_EVENTS,
    ALERTS,
    ALERTS_QUARANTINE,
    MESSAGE_DISPOSITIONS,
    TELEGRAM_MESSAGES,
)
from quantlab_core.alerts.daily_alerts import alerts_of_day
from quantlab_core.artifacts.artifact import Artifact, ArtifactFilter, PublishRequest, Writer
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft
from quantlab_resources.dagster_io.io_manager import LakeIOManager
from quantlab_resources.dagster_io.lab_resource import LabResource
from quantlab_resources.lab import Lab

FIRST, SECOND, THIRD = "2025-05-01", "2025-05-02", "2025-05-03"
WRITER = Writer("test", "1", "0" * 40, False)


@dataclass
class Feed:
    """What the source assets yield: the market cap of the one call of a day, and hooks for what goes wrong."""

    mcap: dict[str, float] = field(default_factory=dict)
    before: Callable[[str], None] = lambda _key: None
    """Called with the asset's name and partition before its drafts are made: ``alerts[2025-05-01]``."""


def events_table(day: str, mcap: float, *, chain: str = "solana") -> pa.Table:
    """One call at noon of ``day``."""
    row = {
        "event_ts_utc": datetime.fromisoformat(f"{day}T12:00:00+00:00"),
        "alert_id": f"call-{day}",
        "chain": chain,
        "mint": f"mint-{day}",
        "called_address": f"mint-{day}",
        "address_kind": "token",
        "mint_source": "text",
        "alert_chat_id": 7,
        "alert_message_id": 1,
        "mcap_at_call_usd": mcap,
        "token_proven_at_call": True,
        "content_id": f"{int(mcap):016x}",
    }
    return pa.Table.from_pylist([row], schema=ALERT_EVENTS.schema)


def small_assets(feed: Feed) -> list[dg.AssetsDefinition]:
    """``alert_events`` → ``alerts`` → ``alert_set``, and the three outputs of an export."""

    @artifact_asset(name="alert_events", specs=[ALERT_EVENTS], group="small", code_version="3", partitions_def=DAYS)
    def alert_events(step: Step) -> Iterator[ArtifactDraft]:
        """Yields what the feed holds for the day; a day without a market cap yields nothing."""
        feed.before(f"alert_events[{step.key}]")
        if step.key in feed.mcap:
            table = events_table(step.key, feed.mcap[step.key])
            yield ArtifactDraft(ALERT_EVENTS, {"day": step.key, "chain": "solana"}, table)

    @artifact_asset(
        name="alerts",
        specs=[ALERTS],
        group="small",
        code_version="3",
        inputs={"events": Upstream("alert_events")},
        partitions_def=DAYS,
    )
    def alerts(step: Step) -> Iterator[ArtifactDraft]:
        """Leaves its inputs to the ledger."""
        feed.before(f"alerts[{step.key}]")
        for artifact in step["events"].with_key(day=step.key):
            table = alerts_of_day(step["events"].read(artifact))
            yield ArtifactDraft(ALERTS, {"day": step.key, "chain": "solana"}, table)

    @artifact_asset(
        name="alert_set",
        specs=[ARTIFACT_SET],
        group="small",
        code_version="3",
        inputs={"alerts": Upstream("alerts", dg.AllPartitionMapping())},
    )
    def alert_set(step: Step) -> Iterator[ArtifactDraft]:
        """All days."""
        feed.before("alert_set")
        yield current_set_draft("alerts", step["alerts"], step["alerts"].all())

    @artifact_asset(
        name="telegram_messages",
        specs=[TELEGRAM_MESSAGES, MESSAGE_DISPOSITIONS, ALERTS_QUARANTINE],
        group="small",
        code_version="3",
        partitions_def=EXPORTS,
    )
    def telegram_messages(step: Step) -> Iterator[ArtifactDraft]:
        """Three outputs of one export; the disposition holds the feed's number."""
        feed.before(f"telegram_messages[{step.key}]")
        row = {"ordinal": 0, "disposition": "non_alert", "kind": "no_alert", "tokens": int(feed.mcap.get(step.key, 0))}
        dispositions = pa.Table.from_pylist([row], schema=MESSAGE_DISPOSITIONS.schema)
        yield ArtifactDraft(TELEGRAM_MESSAGES, {"export": step.key}, TELEGRAM_MESSAGES.schema.empty_table())
        yield ArtifactDraft(MESSAGE_DISPOSITIONS, {"export": step.key}, dispositions)
        yield ArtifactDraft(ALERTS_QUARANTINE, {"export": step.key}, ALERTS_QUARANTINE.schema.empty_table())

    return [alert_events, alerts, alert_set, telegram_messages]


@dataclass
class SmallGraph:
    """The graph on one lake and one Dagster instance."""

    lab: Lab
    instance: dg.DagsterInstance
    feed: Feed = field(default_factory=Feed)

    def run(
        self,
        *assets: str,
        partition: str | None = None,
        days: tuple[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        more: Sequence[dg.AssetsDefinition] = (),
        raise_on_error: bool = True,
    ) -> dg.ExecuteInProcessResult:
        """One run over the named assets: unpartitioned, over one partition, or over the days from first to last."""
        return dg.materialize(
            [*small_assets(self.feed), *more],
            instance=self.instance,
            resources=self._resources(),
            selection=list(assets),
            partition_key=partition,
            tags={**(dict(zip(RANGE_TAGS, days, strict=True)) if days else {}), **(tags or {})},
            raise_on_error=raise_on_error,
        )

    def run_only(self, asset: dg.AssetsDefinition, *, partition: str) -> dg.ExecuteInProcessResult:
        """One run of another asset in place of the graph's own, downstream of its ``alert_events``."""
        upstream = dg.AssetSpec("alert_events", partitions_def=DAYS)
        return dg.materialize(
            [asset, upstream], instance=self.instance, resources=self._resources(), partition_key=partition
        )

    def _resources(self) -> dict[str, Any]:
        home = str(self.lab.paths.home)
        return {"lab": LabResource(home=home), "io_manager": LakeIOManager(home=home)}

    def head(self, artifact_type: str, key: str) -> Artifact:
        """The one current artifact under this key."""
        (head,) = self.lab.artifacts.heads(artifact_type, key)
        return head

    def materializations(self, asset: str) -> list[dg.AssetMaterialization]:
        """Every materialization event of the asset, oldest first."""
        records = self.instance.fetch_materializations(dg.AssetKey(asset), limit=1_000, ascending=True).records
        return [record.asset_materialization for record in records if record.asset_materialization is not None]

    def data_versions(self, asset: str) -> dict[str | None, str]:
        """Partition → data version of the last event, as the UI shows it."""
        return {event.partition: (event.tags or {})["dagster/data_version"] for event in self.materializations(asset)}

    def artifact_count(self) -> int:
        return len(self.lab.artifacts.list_artifacts(ArtifactFilter(limit=None)).artifacts)

    def inputs(self, artifact: Artifact) -> set[str]:
        """Ids of the artifact's direct inputs."""
        edges = self.lab.artifacts.get_lineage(artifact.artifact_id).edges
        return {edge.input_artifact_id for edge in edges if edge.artifact_id == artifact.artifact_id}

    def from_outside(self) -> Lab:
        """The same lake through other connections, as another process sees it."""
        return Lab(self.lab.paths.home)


def publish_events(lab: Lab, day: str, mcap: float, **more: Any) -> Artifact:
    """Publish a day's events past Dagster, as another process would."""
    key = f"day={day}/chain=solana"
    request = PublishRequest(ALERT_EVENTS.name, ALERT_EVENTS.version, key, events_table(day, mcap), WRITER)
    return lab.artifacts.publish(dataclasses.replace(request, **more)).artifact


def stored_file(artifact: Artifact) -> Path:
    return Path(artifact.path_parquet)


def damage(path: Path) -> None:
    """Flip one bit in the middle of the file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(data))
