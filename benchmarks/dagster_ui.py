"""Dagster's web server over a lake, and a headless browser that looks at it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DEV = ("-m", "dagster", "dev")
"""Web server and daemon, as `make ui` starts them: sensors look, queued runs run."""
WEB_SERVER = ("-m", "dagster_webserver")
"""Pages alone; nothing starts by itself."""

_START_S = 180
_STOP_S = 20
_PAGE_MS = 60_000
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@contextmanager
def served(
    home: Path, program: Sequence[str], log: Path, *, settings: Mapping[str, str] | None = None
) -> Iterator[str]:
    """The address of ``program`` over the lake at ``home``, until the block ends. What it prints goes to ``log``.

    Raises RuntimeError when it does not listen within three minutes.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, *program, "-h", "127.0.0.1", "-p", str(port), "-w", "workspace.yaml"],
            cwd=ROOT,
            env={
                **os.environ,
                "QUANTLAB_HOME": str(home),
                "DAGSTER_HOME": str(ROOT),
                "PYTHONWARNINGS": "ignore",
                **(settings or {}),
            },
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_it_listens(port, server, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(server.pid, signal.SIGINT)
            try:
                server.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


@contextmanager
def browser() -> Iterator[Browser]:
    """A fresh browser. One at a time in a process."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        try:
            yield started
        finally:
            started.close()


def new_page(opened: Browser, address: str) -> Page:
    """An empty page whose paths are those of ``address``."""
    page = opened.new_page(base_url=address, viewport={"width": 1600, "height": 1000})
    page.set_default_timeout(_PAGE_MS)
    return page


def _wait_until_it_listens(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text(errors="replace")[-2000:]) from None
            time.sleep(0.5)
