"""Scripts that other programs start with a Python of their own find the packages of quantlab themselves.

Standard library only: it runs before anything else can be imported.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path

from quantlab_core.errors import EnvironmentMissingError

IN_ENVIRONMENT = "--in-environment"
"""Argument of a script that was started again by the environment's own Python; it never starts itself twice."""

_PACKAGES = ("apsw", "pyarrow")


def use_project_environment(script: Path, arguments: list[str]) -> None:
    """Return when quantlab's packages can be imported; does not return where ``script`` has to start again.

    They are taken from the running Python if it has them, else from ``.venv`` beside the packages: directly when it was
    made for this version of Python, which saves a second start, otherwise by running ``script`` with its Python.
    Raises EnvironmentMissingError.
    """
    if _has_packages():
        return
    environment = Path(__file__).resolve().parents[1] / ".venv"
    site_packages = environment / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    if _has_packages([str(site_packages)]):
        sys.path.insert(1, str(site_packages))
        return
    python = environment / "bin" / "python"
    if IN_ENVIRONMENT in arguments or not os.access(python, os.X_OK):
        raise EnvironmentMissingError(
            f"{sys.executable} does not have quantlab's packages, and neither has {environment}; run `make venv` in"
            f" {environment.parent}, or start the script with the Python that has them"
        )
    try:
        os.execv(python, [str(python), "-I", str(script), IN_ENVIRONMENT])  # noqa: S606 - the project's own Python
    except OSError as error:
        raise EnvironmentMissingError(f"{python} cannot be run: {error.strerror}; run `make venv` again") from error


def _has_packages(path: list[str] | None = None) -> bool:
    """Whether this Python can import them, from ``path`` or as it is; compiled for another Python they do not count."""
    for name in _PACKAGES:
        spec = PathFinder.find_spec(name, path)
        if spec is None or spec.origin is None:
            return False
    return True
