"""The group with read-only access to all of Spot's models in the admin."""

from __future__ import annotations

from django.apps import apps as installed
from django.apps.registry import Apps

#: Created by migrate; operators add users to it in the admin (docs/admin.md).
OBSERVERS = "Observers"


def make_observers(using: str, apps: Apps = installed, **_kwargs: object) -> None:
    """Create the group, and grant it the missing permissions to view Spot's models.

    It runs after every migrate, so that new models are included. Permissions that an operator added stay.
    """
    try:
        group, permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    except LookupError:
        return  # migrated without the tables of django.contrib.auth
    views = permission.objects.using(using).filter(content_type__app_label="providers", codename__startswith="view_")
    observers, _ = group.objects.using(using).get_or_create(name=OBSERVERS)
    observers.permissions.add(*views)
