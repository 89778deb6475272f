"""Sending the lineage of a lake to others: the manifest's log as an outbox, where it goes, and how far it was sent."""
