"""Experiments on disk: definitions as artifacts, states in the journal, a DuckDB index for queries."""
