"""Checks of drafts before they are published: one that fails ends the run, and Dagster shows why.

Dagster's own asset checks look at what was materialized, which is too late for what must never be replaced. So these
are judged by the step itself, between computing and publishing, and reported as check results of the asset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dagster as dg

from quantlab_core.errors import ConflictError
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft

if TYPE_CHECKING:
    from quantlab_assets.artifact_asset import Step


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether a check lets the drafts of one partition pass, why in one line, and numbers for the UI."""

    passed: bool
    description: str
    facts: Mapping[str, int] = field(default_factory=dict)
    is_warning: bool = False
    """It would not have passed, but that was asked for: the UI shows a warning."""


@dataclass(frozen=True, slots=True)
class BlockingCheck:
    """A check by name; ``judge`` gets the step and the drafts of one partition."""

    name: str
    description: str
    judge: Callable[[Step, Sequence[ArtifactDraft]], Finding]

    def spec(self, asset: str) -> dg.AssetCheckSpec:
        """What Dagster is told of it."""
        return dg.AssetCheckSpec(self.name, asset=asset, description=self.description, blocking=True)


class Verdicts:
    """The findings of one step of ``asset``, over all its partitions."""

    def __init__(self, asset: str, checks: Sequence[BlockingCheck]) -> None:
        self._asset = asset
        self._checks = checks
        self._found: dict[str, list[tuple[str | None, Finding]]] = {check.name: [] for check in checks}

    def judge(self, step: Step, drafts: Sequence[ArtifactDraft]) -> None:
        """Judge the drafts of one partition; what is found is kept."""
        for check in self._checks:
            self._found[check.name].append((step.partition, check.judge(step, drafts)))

    def results(self) -> Iterator[dg.AssetCheckResult]:
        """One result per check: the first failure, else what was asked for, else how many partitions passed."""
        for name, found in self._found.items():
            if not found:  # every partition was finished by the run that this one retries
                yield dg.AssetCheckResult(
                    asset_key=self._asset, check_name=name, passed=True, metadata={"partitions": 0}
                )
                continue
            partition, worst = max(found, key=lambda each: (not each[1].passed, each[1].is_warning))
            facts = {fact: sum(finding.facts.get(fact, 0) for _, finding in found) for fact in worst.facts}
            where = "" if partition is None else f"[{partition}]"
            yield dg.AssetCheckResult(
                asset_key=self._asset,
                check_name=name,
                passed=worst.passed and not worst.is_warning,
                severity=dg.AssetCheckSeverity.WARN if worst.passed else dg.AssetCheckSeverity.ERROR,
                description=f"{self._asset}{where}: {worst.description}",
                metadata={**facts, "partitions": len(found)},
            )

    def require_passed(self, partition_key: str | None = None) -> None:
        """Raise ConflictError when a check of the partition failed. Nothing of it is published then."""
        for name, found in self._found.items():
            for partition, finding in found:
                if not finding.passed and partition == partition_key:
                    where = "" if partition is None else f"[{partition}]"
                    raise ConflictError(
                        f"{self._asset}{where} fails its check {name}, nothing of it was published:"
                        f" {finding.description}"
                    )

    def report_failures(self, instance: dg.DagsterInstance) -> None:
        """Put failures on record without the run's help: inside a ranged run's output it cannot say so itself."""
        for result in self.results():
            if not result.passed and result.severity is dg.AssetCheckSeverity.ERROR:
                instance.report_runless_asset_event(
                    dg.AssetCheckEvaluation(
                        asset_key=dg.AssetKey(self._asset),
                        check_name=str(result.check_name),
                        passed=False,
                        metadata=result.metadata,
                        severity=result.severity,
                        description=result.description,
                        blocking=True,
                    )
                )
