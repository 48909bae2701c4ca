"""The background door: Celery tasks, the steps they run, the sweep. The only code that speaks to outside systems."""
