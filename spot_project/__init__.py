"""Wiring without logic: settings, ASGI entry, Celery app, URL root."""

from spot_project.celery import app as celery_app

__all__ = ["celery_app"]
