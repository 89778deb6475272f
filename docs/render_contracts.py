"""Writes docs/data-contracts.md from the registered artifact types: ``make docs``."""

from __future__ import annotations

from pathlib import Path

from quantlab_core.artifacts.contract_page import render_contracts
from quantlab_core.artifacts.registry import ARTIFACT_TYPES

PAGE = Path(__file__).with_name("data-contracts.md")

if __name__ == "__main__":
    PAGE.write_text(render_contracts(ARTIFACT_TYPES), encoding="utf-8")
