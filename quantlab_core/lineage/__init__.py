"""Lineage in the words of others: what was published, as events of the OpenLineage specification."""
