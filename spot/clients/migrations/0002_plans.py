"""The first plans. The operator may change and delete all of them but the one of everybody without a key."""

from django.db import migrations

#: Connections, subscriptions of each, messages a second to each: the table that Token Metrics publishes.
PLANS = {"basic": (1, 15, 1), "advanced": (3, 60, 3), "premium": (6, 120, 8), "vip": (12, 250, 12)}


def add_plans(apps, schema_editor):
    plans = apps.get_model("clients", "ClientPlan").objects.using(schema_editor.connection.alias)
    plans.get_or_create(name="anonymous")
    for name, (connections, subscriptions, messages) in PLANS.items():
        limits = {"connections": connections, "subscriptions": subscriptions, "messages_out_per_second": messages}
        plans.get_or_create(name=name, defaults=limits)


class Migration(migrations.Migration):
    dependencies = [("clients", "0001_initial")]
    operations = [migrations.RunPython(add_plans, migrations.RunPython.noop)]
