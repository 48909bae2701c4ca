"""Chords by task name: the only place where both doors meet Celery."""
