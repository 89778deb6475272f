"""Where the parts of a lake live on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from quantlab_core.artifacts.artifact_files import QUARANTINE, RAW_FILES, STAGING

DEFAULT_HOME = "lake"


@dataclass(frozen=True)
class LakePaths:
    """Absolute paths of one lake. ``home`` holds everything that no variable moves elsewhere."""

    home: Path
    manifest_db: Path
    artifacts_root: Path
    projection_cache: Path
    experiment_db: Path

    @classmethod
    def from_environment(
        cls, home: str | Path | None = None, environment: Mapping[str, str] | None = None
    ) -> LakePaths:
        """The lake at ``home``, else at ``QUANTLAB_HOME``, else at ``./lake``.

        ``ARTIFACT_MANIFEST_DB``, ``ARTIFACTS_ROOT``, ``PROJECTION_CACHE_DIR`` and ``EXPERIMENT_DB`` move single parts.
        An empty variable counts as unset; relative paths start at the working directory.
        """
        variables = os.environ if environment is None else environment
        root = _absolute(home or variables.get("QUANTLAB_HOME") or DEFAULT_HOME)

        def part(variable: str, default: Path) -> Path:
            return _absolute(variables.get(variable) or default)

        return cls(
            home=root,
            manifest_db=part("ARTIFACT_MANIFEST_DB", root / "manifest" / "manifest.sqlite"),
            artifacts_root=part("ARTIFACTS_ROOT", root / "artifacts"),
            projection_cache=part("PROJECTION_CACHE_DIR", root / "cache"),
            experiment_db=part("EXPERIMENT_DB", root / "data" / "experiments.duckdb"),
        )

    @classmethod
    def of_manifest(
        cls,
        manifest_db: str | Path,
        artifacts_root: str | Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> LakePaths:
        """The lake whose manifest is ``manifest_db``, for callers that know a lake by that file.

        Its home is two folders up and its artifacts are in ``<home>/artifacts``, unless ``artifacts_root`` says
        otherwise. The variables of `from_environment` move its parts only where they name the same manifest: they may
        be about another lake.
        """
        manifest = _absolute(manifest_db)
        paths = cls.from_environment(environment=environment)
        if paths.manifest_db != manifest:
            paths = replace(cls.from_environment(manifest.parent.parent, environment={}), manifest_db=manifest)
        return paths if artifacts_root is None else replace(paths, artifacts_root=_absolute(artifacts_root))

    @classmethod
    def of_experiment_db(cls, experiment_db: str | Path, environment: Mapping[str, str] | None = None) -> LakePaths:
        """The lake whose index of experiments is ``experiment_db``, for callers that know a lake by that file.

        Its home is two folders up. As in `of_manifest`, the variables count only where they name the same file.
        """
        index = _absolute(experiment_db)
        paths = cls.from_environment(environment=environment)
        if paths.experiment_db == index:
            return paths
        return replace(cls.from_environment(index.parent.parent, environment={}), experiment_db=index)

    @cached_property
    def staging(self) -> Path:
        """Files under way on the same file system as the artifacts; nothing here was published."""
        return self.artifacts_root / STAGING

    @cached_property
    def quarantine(self) -> Path:
        """Bytes that were taken out of use: damaged files and orphans."""
        return self.artifacts_root / QUARANTINE

    @cached_property
    def raw_files(self) -> Path:
        """Files as they came in, named by their SHA-256."""
        return self.artifacts_root / RAW_FILES

    @cached_property
    def events(self) -> Path:
        """One small file per manifest transaction, from which the manifest can be rebuilt."""
        return self.manifest_db.parent / "events"

    @cached_property
    def lineage_positions(self) -> Path:
        """How far each receiver of lineage was told, one small file for each."""
        return self.manifest_db.parent / "lineage"

    @cached_property
    def writers_lock(self) -> Path:
        """Held shared by whoever publishes, exclusively by whoever cleans up."""
        return self.manifest_db.parent / "writers.lock"

    @cached_property
    def projection_records(self) -> Path:
        """What each projection was asked for: enough to build it again when the whole cache is gone."""
        return self.home / "projections"

    @cached_property
    def reports(self) -> Path:
        """Pages for people, made from artifacts; disposable."""
        return self.home / "reports"

    def report(self, experiment_id: str) -> Path:
        """Where the page of an experiment is, or would be."""
        return self.reports / report_name(experiment_id)


def report_name(experiment_id: str) -> str:
    """The file name of an experiment's page; an id has no character that a file name cannot have."""
    return f"{experiment_id}.html"


def _absolute(path: str | Path) -> Path:
    return Path(path).expanduser().absolute()
