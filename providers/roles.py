"""The group of those who may see everything of ours in the admin, and change or start nothing."""

from __future__ import annotations

from django.apps import apps as installed
from django.apps.registry import Apps

#: Made by migrate; add a user to it in the admin (docs/admin.md).
OBSERVERS = "Observers"


def make_observers(using: str, apps: Apps = installed, **_kwargs: object) -> None:
    """Make the group, and give it the permission to view each model of ours that it lacks.

    Runs after every migrate, so models that come later are seen as well. What an operator has added to the group stays.
    """
    try:
        group, permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    except LookupError:
        return  # migrated without the tables of django.contrib.auth
    views = permission.objects.using(using).filter(content_type__app_label="providers", codename__startswith="view_")
    observers, _ = group.objects.using(using).get_or_create(name=OBSERVERS)
    observers.permissions.add(*views)
