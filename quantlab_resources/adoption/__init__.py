"""Taking over the lake of the earlier store: its manifest, sidecars and files, none of which is ever written to."""
