"""The kinds of change of a manifest: each makes its rows and replays them from its event."""
