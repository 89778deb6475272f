"""A program that answers one JSON request: stdin to stdout, and every failure as JSON on stderr with status 1.

Standard library only, until the operation is known to be wanted: starting up is most of what a caller waits for.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from quantlab_cli.project_environment import use_project_environment
from quantlab_core.errors import InvalidInputError, QuantlabError, StorageError

FAILED = 1
MAX_REQUEST_BYTES = 16 * 1024**2
MAX_DEPTH = 100
"""Deepest nesting of a request: whatever is stored of it must be readable again by any JSON reader."""

MAX_ERROR_LENGTH = 1_000


def run(script: Path, operations: str) -> NoReturn:
    """Answer the request on stdin with ``answer(request)`` of the module ``operations``, and end the program.

    On success the answer is on stdout and the status is 0. Otherwise stdout stays empty, stderr has an object with
    ``error``, ``type`` and ``operation`` (null before it is known), and the status is 1.
    """
    try:
        use_project_environment(script, sys.argv[1:])
        status, document = respond(sys.stdin.buffer.read(MAX_REQUEST_BYTES + 1), operations)
    except BaseException as error:
        status, document = FAILED, _encoded(error_answer(error, None))
    try:
        _write_whole(sys.stderr.fileno() if status else sys.stdout.fileno(), document)
    except OSError as error:
        lost = StorageError(f"the answer could not be written: {error.strerror}; what was asked for was done")
        status = FAILED
        with suppress(OSError):
            _write_whole(sys.stderr.fileno(), _encoded(error_answer(lost, None)))
    raise SystemExit(status)


def respond(data: bytes, operations: str) -> tuple[int, bytes]:
    """The status of a request and the JSON that goes to stdout, or to stderr where the status is not 0."""
    operation: object = None
    try:
        request = parse_request(data)
        operation = request.get("operation")
        return 0, _encoded(import_module(operations).answer(request))
    except BaseException as error:
        return FAILED, _encoded(error_answer(error, operation))


def parse_request(data: bytes) -> dict[str, Any]:
    """The JSON object in ``data``, all of whose text is Unicode and all of whose numbers are finite.

    Raises InvalidInputError, before reading more than `MAX_REQUEST_BYTES`.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise InvalidInputError(f"the request is longer than {MAX_REQUEST_BYTES} bytes; publish large data as a file")
    try:
        request = json.loads(data)
    except RecursionError:
        raise InvalidInputError(f"the request is nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:  # malformed JSON, bytes that are no UTF-8, an integer of thousands of digits
        raise InvalidInputError(f"the request is not JSON: {str(error)[:200]}") from None
    if not isinstance(request, dict):
        raise InvalidInputError('the request is not a JSON object; expected {"operation": …}')
    _check_values(request)
    return request


def error_answer(error: BaseException, operation: object) -> dict[str, Any]:
    """What stderr says about an error: one line, its class, and the operation if the request named one."""
    text = str(error) if isinstance(error, QuantlabError) else f"unexpected {type(error).__name__}: {error}"
    return {
        "error": " ".join(text.split())[:MAX_ERROR_LENGTH],
        "type": type(error).__name__,
        "operation": operation[:100] if isinstance(operation, str) else None,
    }


def _check_values(request: Mapping[str, Any]) -> None:
    level: list[Any] = [request]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner += value
                inner += value.values()
            elif isinstance(value, list):
                inner += value
            elif isinstance(value, float) and not math.isfinite(value):
                raise InvalidInputError("the request has a number that is not finite, which JSON does not allow")
            elif isinstance(value, str) and not _is_unicode(value):
                raise InvalidInputError(f"the request has text that is not Unicode (half of a pair): {value[:80]!a}")
        if not inner:
            return
        level = inner
    raise InvalidInputError(f"the request is nested deeper than {MAX_DEPTH} levels")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _encoded(document: object) -> bytes:
    """ASCII, so that no locale matters."""
    return json.dumps(document, allow_nan=False).encode() + b"\n"


def _write_whole(descriptor: int, data: bytes) -> None:
    remaining = memoryview(data)
    while remaining:
        remaining = remaining[os.write(descriptor, remaining) :]
