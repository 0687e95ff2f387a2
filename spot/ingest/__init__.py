"""Celery tasks and stream sinks: polled and streamed data on their way into the store."""
