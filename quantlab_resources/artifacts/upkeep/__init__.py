"""Upkeep of a lake: verify, quarantine, collect, recover, rebuild; how it stands and what is stale."""
