"""A failed run is told to whom the user named: with what failed and why, and never with the secret of the hook."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from quantlab_assets.automation.failure_notice import tell_of_failures
from quantlab_assets.workflows.run_origin import PART_OF_TAG
from quantlab_core.errors import CandleSourceError
from quantlab_resources.failure_notice import VARIABLE, send_notice

REASON = "the source hung up; nothing was stored, ask again"


@dg.op
def fetch() -> None:
    raise CandleSourceError(REASON)


@dg.job(executor_def=dg.in_process_executor)
def failing() -> None:
    fetch()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def tick(instance: dg.DagsterInstance, **tags: str) -> Any:
    result = failing.execute_in_process(instance=instance, raise_on_error=False, tags=tags)
    event = next(event for event in result.all_events if event.event_type_value == "PIPELINE_FAILURE")
    context = dg.build_run_status_sensor_context(
        sensor_name="tell_of_failures", dagster_instance=instance, dagster_run=result.dagster_run, dagster_event=event
    )
    return tell_of_failures(context.for_run_failure())


def test_a_command_gets_the_notice_on_its_standard_input(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told;touch pwned"
    program = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.stdin.read())"
    monkeypatch.setenv(VARIABLE, f"'{sys.executable}' -c '{program}' '{told}'")
    assert tick(instance) is None
    notice = json.loads(told.read_text())
    assert (notice["event"], notice["job"], notice["steps"]) == ("run_failed", "failing", ["fetch"])
    assert REASON in notice["error"]
    assert notice["run_id"] in {run.run_id for run in instance.get_runs()}


def test_runs_that_are_part_of_a_workflow_are_told_by_it(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, f"touch '{tmp_path / 'told'}'")
    assert isinstance(tick(instance, **{PART_OF_TAG: "workflow"}), dg.SkipReason)
    assert not (tmp_path / "told").exists()


def test_without_a_hook_nobody_is_told(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert isinstance(tick(instance), dg.SkipReason)


def test_a_hook_that_fails_is_logged_without_its_words(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, f"'{sys.executable}' -c 'import sys; print(\"s3cret\"); sys.exit(7)' --token s3cret")
    assert tick(instance) is None
    logged = capsys.readouterr()
    assert "s3cret" not in logged.err + logged.out
    assert "ended with status 7" in logged.err


def test_a_hook_that_does_not_end_is_killed() -> None:
    problem = send_notice(f"'{sys.executable}' -c 'import time; time.sleep(60)'", {}, time_limit_s=0.5)
    assert problem == "the command did not end within 0.5 s and was killed"
    assert send_notice("/no/such/program", {}) == "the command could not be started (FileNotFoundError)"


def test_a_webhook_gets_the_notice_by_post() -> None:
    posted: list[Any] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200 if "secret" in self.path else 500)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert send_notice(f"{address}/secret", {"event": "run_failed"}) == ""
        assert send_notice(f"{address}/other", {}) == "the webhook answered 500"
        server.shutdown()
        thread.join()
    assert posted == [{"event": "run_failed"}, {}]
    assert "did not answer" in send_notice(f"{address}/secret", {}, time_limit_s=1)
