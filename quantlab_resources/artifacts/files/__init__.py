"""Files of artifacts: bytes made durable under their names, Parquet and sidecars, and the local disk behind the port."""
