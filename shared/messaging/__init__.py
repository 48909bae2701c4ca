"""Celery and Redis: configuration, messages, chord counters and the high-water mark."""
