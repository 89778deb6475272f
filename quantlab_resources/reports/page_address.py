"""Under which address a browser finds the page of an experiment: what Dagster's UI links to."""

from __future__ import annotations

import os
from collections.abc import Mapping

from quantlab_resources.lake_paths import report_name

VARIABLE = "QUANTLAB_REPORTS_URL"
HOST, PORT = "127.0.0.1", 3001


def page_address(experiment_id: str, *, environment: Mapping[str, str] | None = None) -> str:
    """The address of the page: below QUANTLAB_REPORTS_URL, else where `quantlab experiments pages` serves it.

    A browser refuses to follow a link from a web page to a file, so a path is not enough.
    """
    variables = os.environ if environment is None else environment
    base = variables.get(VARIABLE) or f"http://{HOST}:{PORT}"
    return f"{base.rstrip('/')}/{report_name(experiment_id)}"
