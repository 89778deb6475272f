"""The earlier store's lake is taken over, and with it everything that builds on its artifacts works."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quantlab_core.errors import InvalidInputError
from quantlab_resources.adoption.adopt_lake import adopt_lake as adopt_into
from quantlab_resources.adoption.adoption_report import AdoptionReport
from quantlab_resources.adoption.earlier_lake import EarlierLake, earlier_lake
from quantlab_resources.lab import Lab, lab_at
from quantlab_resources.lake_paths import LakePaths

_NAMES_A_HOME = ("QUANTLAB_HOME", "ARTIFACT_MANIFEST_DB", "ARTIFACTS_ROOT")


@dataclass(frozen=True, slots=True)
class AdoptedLake:
    """The lab of the lake that holds the earlier artifacts now, and what was done."""

    lab: Lab
    report: AdoptionReport


def adopt_lake(
    path: Path,
    *,
    home: Path | None = None,
    artifacts_root: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> AdoptedLake:
    """Take over the lake at ``path``, its home or its manifest, into ``home``.

    Without ``home`` it is taken over where the environment says, else in place. ``artifacts_root`` names the folder of
    its artifacts where that is not beside its manifest; ``progress`` is told (done, total). Raises as
    `quantlab_resources.adoption.adopt_lake.adopt_lake`.
    """
    lake = earlier_lake(path, artifacts_root)
    lab = lab_at(str(home or _home_for(lake)))
    return AdoptedLake(lab, adopt_into(lab.artifacts, lake, progress))


def _home_for(lake: EarlierLake) -> Path:
    if any(os.environ.get(name) for name in _NAMES_A_HOME):
        return LakePaths.from_environment().home
    home = lake.manifest.parent.parent
    if not lake.is_at(LakePaths.from_environment(home)):
        raise InvalidInputError(
            f"{lake.manifest} and {lake.artifacts_root} are not the manifest/manifest.sqlite and the artifacts of one"
            " home, so they cannot be adopted in place; name another home by --home"
        )
    return home
