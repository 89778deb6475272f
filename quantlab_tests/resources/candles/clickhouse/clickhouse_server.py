"""A ClickHouse server of the tests' own: HTTP as ClickHouse speaks it, answered by the embedded engine.

Run as a program: ``python clickhouse_server.py FOLDER``; it prints its port. Beside queries it takes, under ``/tests``,
faults to be made (one per query for candles, in their order) and a user's profile, and says what it was asked.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import threading
import time
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import chdb

USER, PASSWORD = "reader", "s3cret pass"
LOGIN = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class Engine:
    """The embedded engine, one query at a time, with what it was asked and what is to go wrong."""

    def __init__(self, folder: str) -> None:
        self.connection = chdb.connect(folder)
        self.lock = threading.Lock()
        self.faults: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.profile: dict[str, Any] = {}
        self.readonly: list[str] = []
        self.rows_not_counted = 0

    def answer(self, sql: str, options: dict[str, str]) -> bytes:
        bound = {name.removeprefix("param_"): value for name, value in options.items() if name.startswith("param_")}
        with self.lock:
            for name, value in options.items():
                if name.startswith("output_format_"):
                    self.connection.query(f"SET {name} = '{value}'")
            if self.readonly:
                listed = ", ".join(f"'{name}'" for name in self.readonly)
                every = f"(SELECT * REPLACE (toUInt8(name IN ({listed})) AS readonly) FROM system.settings)"  # noqa: S608
                sql = sql.replace("FROM system.settings", f"FROM {every}")
            if "count()" in sql and self.rows_not_counted:
                self.rows_not_counted -= 1
                sql = sql.replace("count()", "count() + 1")
            profiled = self.profile | {name: options[name] for name in self.profile if name in options}
            try:
                for name, value in profiled.items():
                    self.connection.query(f"SET {name} = '{value}'")
                return self.connection.query(sql, "TabSeparated", params=bound).bytes() or b""
            finally:
                for name in profiled:
                    self.connection.query(f"SET {name} = DEFAULT")


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    engine: Engine

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _serve(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/tests":
            if body:
                told = json.loads(body)
                self.engine.faults, self.engine.asked = told.get("faults", []), []
                self.engine.profile, self.engine.readonly = told.get("profile", {}), told.get("readonly", [])
                self.engine.rows_not_counted = told.get("rows_not_counted", 0)
            self._send(200, json.dumps(self.engine.asked).encode())
            return
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        if self.headers.get("Content-Type", "").startswith("multipart/"):
            options |= self._fields(body)
            body = b""
        sql = options.pop("query", "") + body.decode()
        if self.headers.get("Authorization") != LOGIN:
            self._error(403, 516, "reader: Authentication failed: password is incorrect, or there is no such user.")
            return
        is_data = sql.rstrip().endswith("FORMAT ArrowStream")
        if is_data:
            self.engine.asked.append({"sql": sql, **options})
        fault = self.engine.faults.pop(0) if is_data and "`open` AS" in sql and self.engine.faults else {}
        if "status" in fault:
            self._error(fault["status"], fault.get("code"), fault.get("text", "out of order"))
            return
        try:
            answer = self.engine.answer(sql, options)
        except RuntimeError as error:
            code = re.search(r"Code: (\d+)", str(error))
            self._error(500, int(code.group(1)) if code else 1001, str(error))
            return
        self._send_with(fault, answer)

    def _fields(self, body: bytes) -> dict[str, str]:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + body)
        return {
            str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True).decode()
            for part in message.iter_parts()
        }

    def _send_with(self, fault: dict[str, Any], answer: bytes) -> None:
        kind = fault.get("kind")
        if kind is None:
            self._send(200, answer)
            return
        cut = answer[: int(len(answer) * 0.6)]
        self.close_connection = True
        self.send_response(200)
        if kind == "silent":
            time.sleep(fault["seconds"])
        if kind in ("silent", "error at the end", "error in the middle", "without marker", "broken chunks"):
            self.send_header("Transfer-Encoding", "chunked")
        if kind == "short of its length":
            self.send_header("Content-Length", str(len(answer)))
        self.send_header("Connection", "close")
        self.end_headers()
        text = fault.get("text", "").encode()
        if kind in ("short of its length", "closed early"):
            self.wfile.write(cut)
        elif kind == "closed before its marker":
            self.wfile.write(answer[:-8])
        else:
            sent = {"error at the end": answer + text, "without marker": answer[:-8]}.get(kind, cut + text)
            self.wfile.write(f"{len(sent):x}\r\n".encode() + sent + b"\r\n")
            if kind != "broken chunks":
                self.wfile.write(b"0\r\n\r\n")

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _error(self, status: int, code: int | None, text: str) -> None:
        if code is None:
            self._send(status, text.encode())
        else:
            body = text if text.startswith("Code:") else f"Code: {code}. DB::Exception: {text} (version 26.9.2.1)"
            self._send(status, body.encode(), X_ClickHouse_Exception_Code=str(code))


def main() -> None:
    """Serve until killed."""
    Handler.engine = Engine(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
