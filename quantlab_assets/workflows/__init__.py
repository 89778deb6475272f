"""What a user asks for in one sentence, as runs of the asset graph: ingest, import, refresh, experiments, demo."""
