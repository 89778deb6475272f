"""Tells somebody of a run that failed, by what ``QUANTLAB_ON_FAILURE`` names: a command, or the address of a webhook.

A command is started without a shell, with the notice as one JSON document on its standard input. A webhook gets the
same document by POST. Neither the command nor the address is ever shown: they may hold a secret.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

VARIABLE = "QUANTLAB_ON_FAILURE"
TIME_LIMIT_S = 30


def named_hook(environment: Mapping[str, str] | None = None) -> str:
    """What the variable names; empty where it is unset."""
    variables = os.environ if environment is None else environment
    return variables.get(VARIABLE, "").strip()


def send_notice(hook: str, notice: Mapping[str, Any], *, time_limit_s: float = TIME_LIMIT_S) -> str:
    """Hand the notice over; empty when that went well, else why not, in one line without the hook's own words."""
    body = json.dumps(notice, ensure_ascii=False).encode()
    if hook.startswith(("https://", "http://")):
        return _posted(hook, body, time_limit_s)
    return _run(hook, body, time_limit_s)


def _posted(address: str, body: bytes, time_limit_s: float) -> str:
    try:
        request = urllib.request.Request(  # noqa: S310 - http and https only, see above
            address, data=body, headers={"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=time_limit_s):  # noqa: S310
            return ""
    except urllib.error.HTTPError as error:
        with error:
            return f"the webhook answered {error.code}"
    except (OSError, ValueError) as error:
        return f"the webhook did not answer ({type(error).__name__})"


def _run(command: str, body: bytes, time_limit_s: float) -> str:
    try:
        words = shlex.split(command)
        done = subprocess.run(  # noqa: S603 - what the user named, and no shell
            words,
            input=body,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=time_limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"the command did not end within {time_limit_s:g} s and was killed"
    except (OSError, ValueError) as error:
        return f"the command could not be started ({type(error).__name__})"
    return "" if done.returncode == 0 else f"the command ended with status {done.returncode}"
