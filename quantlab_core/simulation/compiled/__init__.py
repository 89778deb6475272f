"""The reference engine in compiled form: the same rules, the same arithmetic, the same bits."""
