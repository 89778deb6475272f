"""The thin Dagster skin over the lake: the lab as a resource, and the IO manager that every asset goes through."""
