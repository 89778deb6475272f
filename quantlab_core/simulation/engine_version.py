"""Version of the simulation semantics. It is part of every experiment's identity.

Raise it whenever the same inputs could give other results: a new major number where the rules of ``docs/simulation.md``
change, a minor one where a rule is added, a patch where only rounding can differ.
"""

from __future__ import annotations

ENGINE_VERSION = "1.1.0"
"""Semantics v1. 1.1: first calls can be selected, and an edit beyond the candles has a reason of its own."""
