"""DuckDB projections: disposable files that are built from artifacts and can be built again."""
