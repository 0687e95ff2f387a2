"""Celery tasks, and what streams bring, on the way into the store."""
