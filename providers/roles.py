"""The group with read-only access to all of Spot's models in the admin."""

from __future__ import annotations

from django.apps import AppConfig
from django.apps import apps as installed
from django.apps.registry import Apps

#: Created by migrate; operators add users to it in the admin (docs/admin.md).
OBSERVERS = "Observers"


def make_observers(using: str, apps: Apps = installed, app_config: AppConfig | None = None, **_kwargs: object) -> None:
    """Create the group, and grant it the missing permissions to view the models of the app that was migrated, without
    one of the providers.

    It runs after every migrate, so that new models are included. Permissions that an operator added stay.
    """
    try:
        group, permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    except LookupError:
        return  # migrated without the tables of django.contrib.auth
    label = app_config.label if app_config else "providers"
    views = permission.objects.using(using).filter(content_type__app_label=label, codename__startswith="view_")
    observers, _ = group.objects.using(using).get_or_create(name=OBSERVERS)
    observers.permissions.add(*views)
