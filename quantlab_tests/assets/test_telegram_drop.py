"""The drop folder: what is whole is ingested once, what is bad is set aside with its reason, nothing gets lost."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from quantlab_assets.automation.telegram_drop import MOST_PER_RUN, WHOLE_AFTER_S, drop_folder, telegram_drop_sensor
from quantlab_assets.definitions import build_defs
from quantlab_cli.dagster_instance import dagster_instance
from quantlab_core.artifacts.artifact import ArtifactFilter
from quantlab_resources.dagster_io.lab_resource import LabResource
from quantlab_resources.lab import Lab
from quantlab_tests.assets.small_inputs import write_export
from quantlab_tests.core.alerts.invented_chat import CHAT, exported, mint
from quantlab_tests.resources.alerts.html_export import page

NOTE = f"time_zone: Europe/Berlin\nchat_id: -100{CHAT.chat_id}\n"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """On disk, as that of `dagster dev`."""
    with dagster_instance(tmp_path / "lake") as made:
        yield made


class Daemon:
    """What Dagster's daemon does with the sensor: it keeps the cursor, and makes one run per run key."""

    def __init__(self, lab: Lab, instance: dg.DagsterInstance) -> None:
        self.lab = lab
        self.instance = instance
        self.folder = drop_folder(lab).path
        self.folder.mkdir(parents=True)
        self.cursor: str | None = None
        self.requested: list[dg.RunRequest] = []

    def tick(self) -> dg.SensorResult:
        home = str(self.lab.paths.home)
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"lab": LabResource(home=home)}
        ) as context:
            result = telegram_drop_sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        self.requested += result.run_requests or []
        return result

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        return (
            build_defs(home=str(self.lab.paths.home))
            .resolve_job_def("ingest")
            .execute_in_process(
                run_config=request.run_config,
                instance=self.instance,
                tags={"dagster/run_key": str(request.run_key)},
                raise_on_error=False,
            )
        )

    def names(self, inside: str = "") -> list[str]:
        folder = self.folder / inside
        return sorted(found.name for found in folder.iterdir() if found.is_file()) if folder.is_dir() else []

    def heads(self, artifact_type: str) -> int:
        return len(self.lab.artifacts.heads(artifact_type))


@pytest.fixture
def daemon(lab: Lab, instance: dg.DagsterInstance) -> Daemon:
    return Daemon(lab, instance)


def exports_of(request: dg.RunRequest) -> list[str]:
    config: Any = request.run_config
    return list(config["ops"]["ingest_dropped_exports"]["config"]["exports"])


def drop(daemon: Daemon, name: str, *entries: dict[str, Any]) -> Path:
    return write_export(daemon.folder / name, *(entries or (exported(10, mint(name)),)))


def test_a_dropped_export_is_ingested_once_and_moved_away(daemon: Daemon) -> None:
    drop(daemon, "a.json")
    first = daemon.tick()
    assert not first.run_requests
    assert "1 may still be written to" in str(first.skip_reason)
    (request,) = daemon.tick().run_requests or []
    assert exports_of(request) == ["a.json"]
    assert "1 in a run" in str(daemon.tick().skip_reason)
    result = daemon.run(request)
    assert result.success
    assert daemon.heads("alerts_v1") == 1
    assert (daemon.names(), daemon.names("_ingested")) == ([], ["a.json"])
    assert "the drop folder is empty" in str(daemon.tick().skip_reason)
    assert len(daemon.requested) == 1


def test_the_first_export_makes_the_lake(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    daemon = Daemon(Lab(tmp_path / "none yet"), instance)
    assert "empty" in str(daemon.tick().skip_reason)
    drop(daemon, "a.json")
    daemon.tick()
    (request,) = daemon.tick().run_requests or []
    assert daemon.run(request).success
    assert daemon.heads("alerts_v1") == 1


def test_an_export_that_is_taken_away_before_its_run_is_no_failure(daemon: Daemon) -> None:
    file = drop(daemon, "a.json")
    daemon.tick()
    (request,) = daemon.tick().run_requests or []
    file.unlink()
    result = daemon.run(request)
    assert result.success
    (output,) = (event for event in result.all_events if event.is_successful_output)
    assert output.step_output_data.metadata["gone"].value == 1
    assert daemon.heads("alerts_v1") == 0


def test_what_is_being_written_is_left_alone(daemon: Daemon) -> None:
    growing = drop(daemon, "a.json")
    drop(daemon, "b.json.part")
    drop(daemon, ".c.json")
    daemon.tick()
    for size in range(3):
        growing.write_text(growing.read_text() + " " * size)
        os.utime(growing, ns=(0, time.time_ns() + size))
        assert not daemon.tick().run_requests
    (request,) = daemon.tick().run_requests or []
    assert exports_of(request) == ["a.json"]
    assert daemon.names() == [".c.json", "a.json", "b.json.part"]


def test_an_old_file_is_whole_at_first_sight(daemon: Daemon) -> None:
    path = drop(daemon, "a.json")
    os.utime(path, (0, time.time() - WHOLE_AFTER_S - 1))
    assert daemon.tick().run_requests


def test_bad_files_are_set_aside_with_a_reason_that_tick_and_run_show(daemon: Daemon) -> None:
    drop(daemon, "good.json")
    (daemon.folder / "notes.txt").write_text("hello")
    (daemon.folder / "page.html").write_text(page([exported(1, "hello")]))
    cut = drop(daemon, "cut.json", exported(10, mint("owl")), exported(11, mint("fox")))
    cut.write_text(cut.read_text()[:-60])
    daemon.tick()
    tick = daemon.tick()
    assert daemon.names("_refused") == ["notes.txt", "notes.txt.reason.txt", "page.html", "page.html.reason.txt"]
    reason = (daemon.folder / "_refused" / "page.html.reason.txt").read_text()
    assert reason.startswith("page.html is an HTML export")
    assert "--timezone" in reason
    events = [event for event in tick.asset_events or [] if isinstance(event, dg.AssetObservation)]
    assert {str(event.metadata["file_name"].value) for event in events} == {"notes.txt", "page.html"}
    assert f"{reason.strip()}" in {str(event.metadata["refused"].value) for event in events}
    (request,) = tick.run_requests or []
    result = daemon.run(request)
    assert result.success
    (output,) = (event for event in result.all_events if event.event_type_value == "STEP_OUTPUT")
    metadata = output.step_output_data.metadata
    assert (metadata["ingested"].value, metadata["refused"].value) == (1, 1)
    assert "truncated" in str(metadata["exports"].value) or "middle" in str(metadata["exports"].value)
    assert "cut.json" in daemon.names("_refused")
    assert daemon.names("_ingested") == ["good.json"]
    assert daemon.names() == []


def test_a_note_beside_a_file_says_what_the_file_does_not(daemon: Daemon) -> None:
    (daemon.folder / "messages.html").write_text(page([exported(1, mint("owl"))]))
    (daemon.folder / "messages.html.yaml").write_text(NOTE)
    drop(daemon, "bad.json")
    (daemon.folder / "bad.json.yaml").write_text("zone: Europe/Berlin")
    daemon.tick()
    tick = daemon.tick()
    assert "nothing else" in str(tick.asset_events[0].description if tick.asset_events else None)
    (request,) = tick.run_requests or []
    assert daemon.run(request).success
    assert daemon.names("_ingested") == ["messages.html", "messages.html.yaml"]
    assert daemon.heads("alerts_v1") == 1


def test_the_folder_of_an_export_is_one_export(daemon: Daemon) -> None:
    folder = daemon.folder / "ChatExport"
    folder.mkdir()
    (folder / "messages.html").write_text(page([exported(1, mint("owl"))]))
    (folder / "messages2.html").write_text(page([exported(2, mint("fox"))]))
    (daemon.folder / "ChatExport.yaml").write_text(NOTE)
    daemon.tick()
    (request,) = daemon.tick().run_requests or []
    assert daemon.run(request).success
    assert (daemon.folder / "_ingested" / "ChatExport" / "messages2.html").is_file()
    assert daemon.heads("telegram_messages_v1") == 1


def test_the_same_bytes_again_need_no_run(daemon: Daemon) -> None:
    content = drop(daemon, "a.json").read_bytes()
    (daemon.folder / "copy.json").write_bytes(content)
    daemon.tick()
    (request,) = daemon.tick().run_requests or []
    assert daemon.run(request).success
    (daemon.folder / "later.json").write_bytes(content)
    daemon.tick()
    tick = daemon.tick()
    assert not tick.run_requests
    assert "1 known already" in str(tick.skip_reason)
    assert daemon.names("_ingested") == ["a.json", "copy.json", "later.json"]
    assert daemon.heads("telegram_messages_v1") == 1


def test_a_look_that_was_interrupted_asks_for_the_same_run(daemon: Daemon) -> None:
    drop(daemon, "a.json")
    daemon.tick()
    before = daemon.cursor
    (first,) = daemon.tick().run_requests or []
    daemon.cursor = before
    (second,) = daemon.tick().run_requests or []
    assert first.run_key == second.run_key, "Dagster makes one run of a key"


def test_a_run_that_failed_is_asked_for_again_and_then_given_up(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(daemon, "a.json")
    monkeypatch.setenv("QUANTLAB_FIRST_DAY", "not a day")
    daemon.tick()
    keys = []
    for _ in range(3):
        (request,) = daemon.tick().run_requests or []
        keys.append(request.run_key)
        assert not daemon.run(request).success
        assert daemon.names() == ["a.json"]
    assert len(set(keys)) == 3
    assert "3 runs with it failed" in str(daemon.tick().skip_reason)
    assert daemon.names("_refused") == ["a.json", "a.json.reason.txt"]
    monkeypatch.delenv("QUANTLAB_FIRST_DAY")
    (daemon.folder / "_refused" / "a.json").rename(daemon.folder / "a.json")
    daemon.tick()
    (request,) = daemon.tick().run_requests or []
    assert daemon.run(request).success


def test_a_thousand_files_take_one_look_and_each_is_accounted_for(daemon: Daemon) -> None:
    files = MOST_PER_RUN + 5
    old = time.time() - WHOLE_AFTER_S - 1
    for number in range(files):
        path = daemon.folder / f"{number:04}.json"
        if number % 10:
            drop(daemon, path.name, exported(number + 1, f"message {number}"))
        else:
            path.write_text("no export")
        os.utime(path, (old, old))
    tick = daemon.tick()
    (request,) = tick.run_requests or []
    refused = len(tick.asset_events or [])
    assert len(exports_of(request)) + refused + len(daemon.names()) - len(exports_of(request)) == files
    assert refused == files // 10 + 1
    assert len(json.loads(daemon.cursor or "{}")) == len(daemon.names())


def test_the_exports_of_a_drop_are_read_by_one_run_and_their_days_by_few(daemon: Daemon) -> None:
    for number in range(6):
        drop(daemon, f"{number}.json", exported(number + 1, mint(f"token {number}"), at=86_400 * (number // 2)))
    daemon.tick()
    (request,) = daemon.tick().run_requests or []
    assert daemon.run(request).success
    runs = [run.tags.get("dagster/asset_partition_range_start") for run in daemon.instance.get_runs()]
    assert len(runs) == 4, "the job, one over the exports, one over the days, one for what is counted over all"
    assert daemon.heads("alerts_v1") == 3
    assert len(daemon.lab.artifacts.list_artifacts(ArtifactFilter(artifact_type="raw_file_v1")).artifacts) == 6
