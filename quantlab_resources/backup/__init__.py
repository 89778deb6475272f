"""A copy of a whole lake from which it can go on: files, manifest, events and Dagster's storage."""
