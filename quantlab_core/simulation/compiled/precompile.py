"""``python -m quantlab_core.simulation.compiled.precompile``: compile the kernels into numba's cache.

Their signatures are declared, so importing them compiles them, or finds them compiled. `make venv` runs this once, so
that no experiment has to wait for it.
"""

from __future__ import annotations


def precompile() -> None:
    """Compile what is not in the cache yet."""
    from quantlab_core.simulation.compiled import (  # noqa: F401
        calls_kernel,
        checksum_kernel,
        purse_kernel,
    )
    from quantlab_core.simulation.sweep import exit_pricing, record_index  # noqa: F401


if __name__ == "__main__":
    precompile()
