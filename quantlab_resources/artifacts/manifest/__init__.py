"""The manifest: opening it, its schema, its transactions, and the questions that are put to it."""
