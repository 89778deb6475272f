"""Every way to write into a lake, by name."""

from __future__ import annotations

from quantlab_tests.faults.derived_paths import DERIVED_PATHS
from quantlab_tests.faults.experiment_path import EXPERIMENT
from quantlab_tests.faults.lineage_path import LINEAGE
from quantlab_tests.faults.scenario import WritePath
from quantlab_tests.faults.store_paths import STORE_PATHS
from quantlab_tests.faults.upkeep_paths import UPKEEP_PATHS

WRITE_PATHS: dict[str, WritePath] = {
    path.name: path for path in (*STORE_PATHS, *UPKEEP_PATHS, *DERIVED_PATHS, LINEAGE, EXPERIMENT)
}
