"""Dagster's own storage inside the lake: ``<home>/dagster``.

``dagster.yaml`` names these classes instead of a path, because the lake's home comes from ``QUANTLAB_HOME`` or,
without it, is ``./lake``: a plain ``dagster asset materialize`` then works in a shell where nothing was exported. This
module is the only one that touches Dagster's storage classes; a canary test holds it to the installed release.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage, _event_logs_directory
from dagster._serdes import ConfigurableClassData

from quantlab_resources.dagster_io.event_storage import LakeEventLogStorage
from quantlab_resources.lake_paths import LakePaths

POOL_LIMITS = {"clickhouse": 2}
"""How many steps may run at once in pools that take more than ``default_limit``; ``dagster.yaml`` cannot say that."""


class LakeDagsterStorage(DagsterSqliteStorage):
    """Runs, events and schedules in SQLite files under ``<home>/dagster``; events as `LakeEventLogStorage` stores them.

    Pools get their `POOL_LIMITS` unless somebody has set another limit (``dagster instance concurrency set``).
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data=inst_data)
        self._event_log_storage = LakeEventLogStorage(_event_logs_directory(base_dir))

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """No configuration: the lake's home decides."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Storage of the lake that the environment names."""
        storage = cls(_dagster_folder(), inst_data=inst_data)
        events = storage.event_log_storage
        decided = {pool.name for pool in events.get_pool_limits() if not pool.from_default}
        for name in POOL_LIMITS.keys() - decided:
            events.set_concurrency_slots(name, POOL_LIMITS[name])
        return storage


class LakeComputeLogManager(LocalComputeLogManager):
    """Standard output and error of runs under ``<home>/dagster/compute_logs``."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """No configuration: the lake's home decides."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Logs of the lake that the environment names."""
        return cls(f"{_dagster_folder()}/compute_logs", inst_data=inst_data)


def _dagster_folder() -> str:
    folder = LakePaths.from_environment().home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)
