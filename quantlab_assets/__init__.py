"""The asset graph: assets, partitions, definitions, and the workflows that run them in-process."""
