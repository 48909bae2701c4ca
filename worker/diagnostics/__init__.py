"""The checks of a diagnostics run, and the job that does it."""
