"""Files of artifacts: bytes made durable under their names, Parquet and sidecars, the local disk behind the port."""
