"""The Celery worker: tasks, steps, and the scheduler with its jobs. Only this code calls integrations."""
