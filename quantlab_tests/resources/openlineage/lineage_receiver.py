"""A receiver of lineage over HTTP, as Marquez is one: it takes what it is sent, or answers as a test tells it to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

TAKEN = 201
LOST = 0
"""Stands for an event that is taken and an answer that is lost on its way."""


class LineageReceiver:
    """``answers`` are given in turn, then everything is taken. ``taken`` are the bodies it took, ``seen`` all requests
    as (path, headers)."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.taken: list[dict[str, Any]] = []
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.says = b""
        self.url = ""


@contextmanager
def lineage_receiver() -> Iterator[LineageReceiver]:
    receiver = LineageReceiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.seen.append((self.path, dict(self.headers)))
            status = receiver.answers.pop(0) if receiver.answers else TAKEN
            if status in (TAKEN, LOST):
                receiver.taken.append(json.loads(body))
            if status == LOST:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(receiver.says)))
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()
            self.wfile.write(receiver.says)

        def log_message(self, format: str, *args: object) -> None:
            """Tests have nothing to read here."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
