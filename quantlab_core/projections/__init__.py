"""Projections: disposable DuckDB views of artifacts."""
