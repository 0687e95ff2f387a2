"""Wiring: settings, ASGI entry, Celery app, URL root. No logic lives here."""

from spot_project.celery import app as celery_app

__all__ = ["celery_app"]
