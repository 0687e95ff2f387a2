"""Limits that an operator types, held against what the provider documents for the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from providers.base import Plan
from providers.models import LEAST_PER_MINUTE

_PERIODS = {"per_minute": "minute", "per_month": "month"}


class LimitsForm(forms.ModelForm):
    """A form with `per_minute` and `per_month`. More than the plan is documented to have, or no limit at all, is saved
    only when the operator says that it is meant: a zero too many would spend the month in a day."""

    #: Fields that allow a change and are none.
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
        for field, told in documented(plans).items():
            if field in self.fields:  # not for those who may only look
                self.fields[field].help_text += f" Documented: {told}."

    def plans(self) -> list[Plan]:
        """The plans in question; none while that is not known."""
        raise NotImplementedError

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        per_minute = data.get("per_minute")
        if per_minute is not None and 0 < per_minute < LEAST_PER_MINUTE:
            self.add_error(
                "per_minute", f"At least {LEAST_PER_MINUTE}, because one look at the market is two calls; or 0."
            )
        elif not data.get("beyond"):
            for field, problem in excesses(self.plans(), data).items():
                self.add_error(field, problem)
        return data


def documented(plans: Sequence[Plan]) -> dict[str, str]:
    """By field, what the plans are documented with: `demo 30, pro 500`. Those without a figure say so."""
    figures = {field: [(plan.name, getattr(plan, field)) for plan in plans] for field in _PERIODS if plans}
    return {
        field: ", ".join(f"{name} {figure:,}" if figure else f"{name} no figure" for name, figure in found)
        for field, found in figures.items()
    }


def excesses(plans: Sequence[Plan], chosen: Mapping[str, int | None]) -> dict[str, str]:
    """By field, a sentence for each limit that is higher than all of the plans are documented with."""
    found = {}
    for field, period in _PERIODS.items():
        value, most = chosen.get(field), max(plans, key=lambda plan: getattr(plan, field), default=None)
        highest = getattr(most, field) if most and all(getattr(plan, field) for plan in plans) else 0
        if most and highest and value is not None and not 0 < value <= highest:
            amount = f"{value:,} a {period}" if value else "no limit"
            found[field] = (
                f"The {most.name} plan is documented with {highest:,} a {period}, this is {amount}. "
                "Tick “Allow more than documented” if your contract says so."
            )
    return found
