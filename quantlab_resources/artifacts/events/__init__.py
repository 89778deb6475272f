"""Event files: one per transaction of the manifest, and what becomes of those that a crash or a loss left."""
