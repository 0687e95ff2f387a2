"""The operator's pages of alerts: rules with a preview, targets with a test, and the log of what was sent."""

from __future__ import annotations

from spot.alerts.admin import log, rules, targets

__all__ = ["log", "rules", "targets"]
