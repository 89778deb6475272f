"""A small web server for the pages of experiments: it reads one folder and answers this machine alone."""

from __future__ import annotations

from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from quantlab_resources.reports.page_address import HOST

_OWN_NAMES = {HOST, "localhost"}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; font-src data:"


class PageServer(ThreadingHTTPServer):
    """Serves ``*.html`` of ``folder``, and the list of them at ``/``, on 127.0.0.1. Raises OSError for a taken port."""

    daemon_threads = True

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        super().__init__((HOST, port), _PageHandler)

    @property
    def address(self) -> str:
        """Where to point a browser."""
        return f"http://{HOST}:{self.server_port}"


class _PageHandler(SimpleHTTPRequestHandler):
    server: PageServer

    def __init__(self, request: Any, client_address: Any, server: PageServer) -> None:
        super().__init__(request, client_address, server, directory=str(server.folder))

    def send_head(self) -> Any:
        """Refuse what asks under another name (a web page that had its name point here), and what is no page."""
        name = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        if name not in _OWN_NAMES:
            self.send_error(HTTPStatus.FORBIDDEN, "asked for under a name that is not this machine's")
            return None
        path = urlsplit(self.path).path
        if path != "/" and (not path.endswith(".html") or "/" in path[1:] or "%" in path):
            self.send_error(HTTPStatus.NOT_FOUND, "no page of an experiment")
            return None
        return super().send_head()

    def end_headers(self) -> None:
        """A page loads nothing and is asked for anew each time: it may have been written again."""
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads a line for each page."""
