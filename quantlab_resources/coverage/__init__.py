"""Coverage as it stands in a lake: what was measured last, by which thresholds, and what is worth asking for again."""
