"""The lab: one object that wires every adapter from the environment, each made when it is first used."""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from quantlab_resources.clock import SystemClock
from quantlab_resources.dagster_io.read_ledger import ReadLedger
from quantlab_resources.lake_paths import LakePaths

if TYPE_CHECKING:
    import polars as pl

    from quantlab_core.artifacts.artifact import Artifact
    from quantlab_core.artifacts.artifact_files import ArtifactFiles
    from quantlab_core.artifacts.artifact_type import ArtifactType
    from quantlab_core.candles.candle_source import CandleSource
    from quantlab_core.clock import Clock
    from quantlab_core.code_provenance import CodeProvenance
    from quantlab_resources.artifacts.artifact_catalogue import ArtifactCatalogue
    from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
    from quantlab_resources.experiments.experiment_index import ExperimentIndex
    from quantlab_resources.experiments.experiment_tracker import ArtifactExperimentTracker
    from quantlab_resources.given_instants import Instant
    from quantlab_resources.projections.candle_pack_projection import CandlePackFiles
    from quantlab_resources.projections.projection_builder import DuckDBProjectionBuilder
    from quantlab_resources.projections.record_index_projection import RecordIndexFiles


class Lab:
    """The ports of one lake by name: ``artifacts``, ``candle_source``, ``projections``, ``experiments``.

    ``home`` is the folder of the lake (default ``QUANTLAB_HOME``, else ``./lake``); ``paths`` names every part instead.
    Making a lab touches nothing on disk; a missing lake is an error at first use, and `Lab.create` makes one.
    """

    def __init__(
        self,
        home: str | Path | None = None,
        *,
        paths: LakePaths | None = None,
        clock: Clock | None = None,
        code_provenance: CodeProvenance | None = None,
    ) -> None:
        self.paths = LakePaths.from_environment(home) if paths is None else paths
        self.clock: Clock = clock or SystemClock()
        self._code_provenance = code_provenance
        self.read_ledger = ReadLedger()

    @classmethod
    def from_environment(cls) -> Lab:
        """The lab that the environment names."""
        return cls()

    @classmethod
    def create(cls, home: str | Path | None = None) -> Lab:
        """The lab at ``home``, whose lake is made if it is not there yet. Raises StorageError."""
        lab = lab_at(None if home is None else str(home))
        lab.make_lake()
        return lab

    def make_lake(self) -> list[str]:
        """Make the lake if it is not there yet, and bring its manifest up to date; what was added to it, by name.

        Raises StorageError, and LakeNotFoundError where a lake of the earlier store is.
        """
        return self.artifacts.make()

    def close(self) -> None:
        """Let go of this thread's connections to the manifest; the lab can be used again afterwards."""
        for name in ("catalogue", "artifacts"):
            if name in vars(self):
                getattr(self, name).close()

    @cached_property
    def code_provenance(self) -> CodeProvenance:
        """Which code is running."""
        from quantlab_resources.code_provenance import GitCodeProvenance

        return self._code_provenance or GitCodeProvenance()

    @cached_property
    def artifact_files(self) -> ArtifactFiles:
        """Where the bytes of artifacts are kept. Another place (S3, say) is chosen here, and nowhere else."""
        from quantlab_resources.artifacts.files.local_artifact_files import LocalArtifactFiles

        return LocalArtifactFiles(self.paths)

    @cached_property
    def catalogue(self) -> ArtifactCatalogue:
        """The reading half of `artifacts`, for programs that only ask: it is there ten times sooner."""
        from quantlab_resources.artifacts.artifact_catalogue import ArtifactCatalogue
        from quantlab_resources.artifacts.manifest.manifest import Manifest

        return ArtifactCatalogue(Manifest(self.paths, clock=self.clock), self.artifact_files)

    @cached_property
    def artifacts(self) -> ParquetArtifactStore:
        """The artifact store."""
        from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore

        return ParquetArtifactStore(self.paths, clock=self.clock, files=self.artifact_files)

    @cached_property
    def candle_source(self) -> CandleSource:
        """Where candles come from, as ``QUANTLAB_CANDLES`` says: by default the files that were imported."""
        from quantlab_resources.candles.configured_candle_source import configured_candle_source

        return configured_candle_source(self.artifacts, clock=self.clock)

    @cached_property
    def projections(self) -> DuckDBProjectionBuilder:
        """The projection builder; ``open`` gives read-only connections to what it built."""
        from quantlab_resources.projections.projection_builder import DuckDBProjectionBuilder

        return DuckDBProjectionBuilder(self.artifacts, self.paths.projection_cache)

    @cached_property
    def candle_packs(self) -> CandlePackFiles:
        """The candle packs that experiments read."""
        from quantlab_resources.projections.candle_pack_projection import CandlePackFiles

        return CandlePackFiles(self.artifacts, self.paths.projection_cache)

    @cached_property
    def record_indexes(self) -> RecordIndexFiles:
        """The record indexes that sweeps read, beside the packs."""
        from quantlab_resources.projections.record_index_projection import RecordIndexFiles

        return RecordIndexFiles(self.paths.projection_cache, self.clock)

    @cached_property
    def experiments(self) -> ArtifactExperimentTracker:
        """The experiment tracker."""
        from quantlab_resources.experiments.experiment_tracker import ArtifactExperimentTracker

        return ArtifactExperimentTracker(self.artifacts)

    @cached_property
    def experiment_index(self) -> ExperimentIndex:
        """The DuckDB index of experiments."""
        from quantlab_resources.experiments.experiment_index import ExperimentIndex

        return ExperimentIndex(self.artifacts, self.experiments, self.paths.experiment_db)

    def alerts(self, from_day: Instant, to_day: Instant, chain: str | None = None) -> pl.DataFrame:
        """The current alerts of the UTC days ``from_day`` to ``to_day``, both included, sorted by time.

        Columns are those of ``alerts_v1`` in its newest version, whatever version is stored; a day without alerts gives
        no rows. A limit is a date, a datetime with a zone, or the text of either.
        Raises InvalidInputError, ArtifactDamagedError, ArtifactMissingError, SchemaError.
        """
        from quantlab_resources.current_alerts import current_alerts
        from quantlab_resources.plain_tables import as_polars

        return as_polars(current_alerts(self.artifacts, from_day, to_day, chain))

    def candles(
        self, token: str, start: Instant, end: Instant, resolution: str = "1m", chain: str | None = None
    ) -> pl.DataFrame:
        """The current candles of ``token`` (an address or ``<chain>:<address>``) with start <= ts < end, in UTC.

        From the token's merged series, else from its slices. A resolution that is not stored is made of the finest that
        is, exactly and from whole intervals only. None are invented: an interval that no source gave has no row. A
        limit is a date (its midnight), a datetime with a zone, or the text of either. ``chain`` is only needed for an
        address with candles on several. Raises as `alerts`.
        """
        from quantlab_resources.current_candles import current_candles
        from quantlab_resources.plain_tables import as_polars

        return as_polars(current_candles(self.artifacts, token, start, end, resolution, chain))

    def run_view(self, run_id: str) -> RunView:
        """The lake as one run sees it: as of its first look, plus what it publishes itself."""
        return _run_view(self, run_id)


class RunView:
    """Heads as of one moment, plus the publications of one run, so that a run reads one consistent state."""

    def __init__(self, lab: Lab, run_id: str) -> None:
        self._store = lab.artifacts
        self._run_id = run_id
        self.sequence = self._store.last_sequence()

    def heads(self, spec: ArtifactType, key_prefix: str = "") -> list[Artifact]:
        """The heads of this type whose key begins with ``key_prefix``, sorted by key."""
        return self._store.heads_as_of(spec.name, key_prefix, sequence=self.sequence, run_id=self._run_id)

    def last_publication(self, *specs: ArtifactType) -> str | None:
        """When an artifact of these types was published last, whether its content was new or not; UTC text."""
        names = [spec.name for spec in specs]
        return self._store.last_publication(names, sequence=self.sequence, run_id=self._run_id)


@lru_cache(maxsize=64)
def _run_view(lab: Lab, run_id: str) -> RunView:
    return RunView(lab, run_id)


def lab_at(home: str | None) -> Lab:
    """One lab per lake and process."""
    return _lab_of(LakePaths.from_environment(home))


@lru_cache(maxsize=16)
def _lab_of(paths: LakePaths) -> Lab:
    return Lab(paths.home)
