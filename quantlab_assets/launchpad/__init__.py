"""The jobs that people start from the launchpad, with typed run config: one module per job."""
