"""The Dagster instance on which commands run assets, so that the UI knows about them."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

DAGSTER_CONFIG = "dagster.yaml"
PROJECT = Path(__file__).resolve().parents[1]
_STORAGE_MODULE = "quantlab_resources.dagster_io.instance_storage"
_SETTINGS_WITHOUT_FILE: Mapping[str, Any] = {
    "telemetry": {"enabled": False},
    "storage": {"custom": {"module": _STORAGE_MODULE, "class": "LakeDagsterStorage", "config": {}}},
    "compute_logs": {"module": _STORAGE_MODULE, "class": "LakeComputeLogManager", "config": {}},
}
"""The part of the project's dagster.yaml that a run needs, for an installation that has no such file."""


@contextmanager
def dagster_instance(home: Path, *, project: Path = PROJECT) -> Iterator[dg.DagsterInstance]:
    """The configured instance for the lake at ``home`` (absolute), open within the block.

    Configured by ``DAGSTER_HOME`` if set, else by the ``dagster.yaml`` of ``project``, the folder that the packages are
    in, else by one in the working directory; without any, runs are recorded under ``<home>/dagster``. Within the block
    ``QUANTLAB_HOME`` is ``home``, since the storage that the project's file names looks there.
    """
    with _environment(QUANTLAB_HOME=str(home)), _quiet():
        folder = _config_folder(project)
        if folder is not None:
            instance = dg.DagsterInstance.from_config(str(folder))
        else:
            own = home / "dagster"
            own.mkdir(parents=True, exist_ok=True)
            instance = dg.DagsterInstance.local_temp(str(own), overrides=dict(_SETTINGS_WITHOUT_FILE))
        with instance:
            yield instance


def _config_folder(project: Path) -> Path | None:
    configured = os.environ.get("DAGSTER_HOME")
    if configured:
        return Path(configured).expanduser().absolute()
    return next((folder for folder in (project, Path.cwd()) if (folder / DAGSTER_CONFIG).is_file()), None)


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what Dagster tells its developers: log lines of every step, and warnings about the age of its API."""
    logger = logging.getLogger("dagster")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            for category in (dg.BetaWarning, dg.PreviewWarning, dg.SupersessionWarning):
                warnings.simplefilter("ignore", category)
            yield
    finally:
        logger.setLevel(level)
