"""Alerts: rules on views, evaluated in workers, and the webhooks that they fire."""
