"""Limits that an operator enters, checked against those that the provider documents for the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from providers.base import Plan
from providers.models import LEAST_PER_MINUTE

_PERIODS = {"per_minute": "minute", "per_month": "month"}


class LimitsForm(forms.ModelForm):
    """A form with `per_minute` and `per_month`. A limit above the documented one, or none, needs a confirmation: one
    zero too many would spend the month in a day."""

    #: Fields that confirm a change and are not recorded.
    unrecorded = ("beyond", "key_again")

    beyond = forms.BooleanField(
        label="Allow more than documented",
        required=False,
        help_text="Tick this if your contract allows more than the provider documents for the plan.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plans = self.plans()
        chosen = {field: getattr(self.instance, field) for field in _PERIODS}
        self.initial.setdefault("beyond", bool(excesses(plans, chosen)))
        for field, figures in documented(plans).items():
            if field in self.fields:  # observers have none
                self.fields[field].help_text += f" Documented: {figures}."

    def plans(self) -> list[Plan]:
        """The plans that the limits apply to; none while that is unknown."""
        raise NotImplementedError

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        per_minute = data.get("per_minute")
        if per_minute is not None and 0 < per_minute < LEAST_PER_MINUTE:
            self.add_error(
                "per_minute", f"At least {LEAST_PER_MINUTE}, because a fetch of the market is two calls; or 0."
            )
        elif not data.get("beyond"):
            for field, problem in excesses(self.plans(), data).items():
                self.add_error(field, problem)
        return data


def documented(plans: Sequence[Plan]) -> dict[str, str]:
    """By field, the documented limits of the plans: `demo 30, pro 500`; `no figure` where there is none."""
    limits = {field: [(plan.name, getattr(plan, field)) for plan in plans] for field in _PERIODS if plans}
    return {
        field: ", ".join(f"{name} {limit:,}" if limit else f"{name} no figure" for name, limit in by_plan)
        for field, by_plan in limits.items()
    }


def excesses(plans: Sequence[Plan], chosen: Mapping[str, int | None]) -> dict[str, str]:
    """By field, a sentence for each limit above the documented limits of all plans."""
    problems = {}
    for field, period in _PERIODS.items():
        value, most = chosen.get(field), max(plans, key=lambda plan: getattr(plan, field), default=None)
        highest = getattr(most, field) if most and all(getattr(plan, field) for plan in plans) else 0
        if most and highest and value is not None and not 0 < value <= highest:
            amount = f"{value:,} a {period}" if value else "no limit"
            problems[field] = (
                f"The {most.name} plan is documented with {highest:,} a {period}, this is {amount}. "
                "Tick “Allow more than documented” if your contract says so."
            )
    return problems
