"""The version of quantlab that is running, as artifacts record it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def _installed_version() -> str:
    try:
        return version("quantlab")
    except PackageNotFoundError:
        return "uninstalled"


QUANTLAB_VERSION = _installed_version()
