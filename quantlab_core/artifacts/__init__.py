"""Artifacts: what is stored, how it is named, identified and linked."""
