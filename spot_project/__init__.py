"""Wiring without logic: settings, ASGI entry, Celery app, URL root."""
