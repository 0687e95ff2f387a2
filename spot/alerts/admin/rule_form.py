"""The form of a rule. Its parameters are written as in the address of a feed; what is wrong stands beside the field."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django import forms

from spot import snapshots
from spot.alerts import readings
from spot.alerts.conditions import NUMERIC
from spot.alerts.models import Rule
from spot.alerts.readings import Newest, Reading
from spot.codes import Refused
from spot.dialects.messages import MODES
from spot.feeds import FEEDS
from spot.feeds.view import View

KINDS = {
    "above": "a field reaches or passes a value, upwards",
    "below": "a field reaches or passes a value, downwards",
    "change": "a field changes by more than a percentage within a window",
    "enters": "a row enters the result",
    "leaves": "a row leaves the result",
    "stale": "the view goes stale",
}
DIRECTIONS = {"either": "up or down", "up": "up", "down": "down"}
#: Parameters of an address that say how answers are written, which alerts leave out.
_WRITING = (*MODES, "format")


class RuleForm(forms.ModelForm):
    """A rule. `view` is its view once it is valid; with a press on Preview nothing is saved."""

    feed = forms.ChoiceField(choices=[(name, f"{name}: {feed.purpose}") for name, feed in FEEDS.items()])
    parameters = forms.CharField(
        required=False,
        strip=True,
        widget=forms.Textarea(attrs={"rows": 5, "cols": 90, "spellcheck": "false"}),
        help_text='Which rows: the feed\'s parameters and its query, one a line, such as filters={"market_cap": '
        '{"gte": 1000000000}}; or an address of the feed, pasted. Empty: all rows in US dollars.',
    )
    kind = forms.ChoiceField(label="Fires when", choices=list(KINDS.items()))
    direction = forms.ChoiceField(choices=list(DIRECTIONS.items()), help_text="Of a change.", required=False)

    class Meta:
        model = Rule
        fields = (
            "name", "enabled", "feed", "parameters", "kind", "field", "value", "window_seconds", "direction",
            "hysteresis", "confirm", "cooldown_seconds", "recovery", "simulated", "targets",
        )  # fmt: skip
        widgets = {"targets": forms.CheckboxSelectMultiple}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.view: View | None = None
        self.initial["parameters"] = written(self.instance.parameters or {})
        self.before = {"parameters": self.initial["parameters"]}

    def is_valid(self) -> bool:
        """Whether it can be saved: a press on Preview only shows what the view gives."""
        return super().is_valid() and "_preview" not in self.data

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if "feed" in data and "kind" in data:
            self._clean_view(data)
            self._clean_condition(data)
        return data

    def _clean_view(self, data: dict[str, Any]) -> None:
        try:
            parameters = parsed(data["feed"], data.get("parameters", ""))
            view = readings.rule_view(data["feed"], parameters)
            unknown = readings.verdict(view).unknown
        except Refused as refused:
            self.add_error("parameters", refused.message)
            return
        if unknown:
            self.add_error("parameters", f"coin_ids: {' '.join(unknown.values())}")
            return
        data["parameters"], self.view = parameters, view

    def _clean_condition(self, data: dict[str, Any]) -> None:
        """Require what the condition needs, and clear what it does not use."""
        feed, kind = FEEDS[data["feed"]], data["kind"]
        if feed.events and kind not in ("enters", "stale"):
            self.add_error("kind", f"Rows of {feed.channel} are events: they enter, and neither change nor leave.")
        if kind not in NUMERIC:
            data |= {"field": "", "value": None, "hysteresis": 0.0}
        else:
            self._clean_field(data)
            if data.get("value") is None and "value" not in self.errors:
                self.add_error("value", "This condition needs a value.")
        if kind != "change":
            data |= {"window_seconds": None, "direction": "either"}
            return
        data["direction"] = data.get("direction") or "either"
        if data.get("window_seconds") is None and "window_seconds" not in self.errors:
            self.add_error("window_seconds", "A change needs a window: 60 to 604,800 seconds.")
        if data.get("value") is not None and data["value"] <= 0:
            self.add_error("value", "A change needs a percentage above 0; the direction is a field of its own.")

    def _clean_field(self, data: dict[str, Any]) -> None:
        feed = FEEDS[data["feed"]]
        if not data.get("field"):
            self.add_error("field", f"This condition compares a field. Fields: {feed.fields.names}.")
            return
        try:
            field = readings.rule_field(feed, data["kind"], data["field"])
        except Refused as refused:
            self.add_error("field", refused.message)
        else:
            assert field is not None
            data["field"] = field.name

    @property
    def preview(self) -> Preview | None:
        """What the view gives now; None while the form is not valid."""
        if self.view is None and not self.is_bound and self.instance.pk:
            try:
                self.view = readings.rule_view(self.instance.feed, self.instance.parameters)
            except Refused:
                return None
        return Preview(self.view) if self.view is not None else None


class Preview:
    """The first rows of a view as it is now."""

    ROWS = 8

    def __init__(self, view: View) -> None:
        self.reading: Reading | None = readings.read(view, Newest())
        if self.reading is None:
            snapshots.want(dataset for dataset in view.datasets if not dataset.traits.by_id)
        self.now = snapshots.now_ms()

    @property
    def headers(self) -> list[str]:
        """The names of the columns; logos are left out."""
        return list(self._rows[0]) if self._rows else []

    @property
    def cells(self) -> list[list[Any]]:
        """The rows, by column."""
        return [list(row.values()) for row in self._rows]

    @property
    def _rows(self) -> list[dict[str, Any]]:
        rows = list(self.reading.rows().values())[: self.ROWS] if self.reading else []
        return [
            {name: "-" if value is None else value for name, value in row.items() if name.casefold() != "logo"}
            for row in rows
        ]

    @property
    def total(self) -> int:
        """The rows of the whole result."""
        return self.reading.page.page.total if self.reading else 0

    @property
    def shown(self) -> int:
        """The rows that the condition looks at: one page of the result, where a page size is given."""
        return len(self.reading.keys) if self.reading else 0


def parsed(channel: str, text: str) -> dict[str, object]:
    """Parameters from lines `name=value`, or from an address of the feed. Raises `Refused`."""
    if "\n" in text or ("&" not in text and "?" not in text):
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if wrong := next((line for line in lines if "=" not in line), None):
            raise Refused("bad_message", f"{wrong[:40]!r} is not a parameter: write name=value on each line.")
        pairs = [(name.strip(), value.strip()) for name, _, value in (line.partition("=") for line in lines)]
    else:
        parts = urlsplit(text) if "?" in text else urlsplit(f"?{text}")
        named = parts.path.rstrip("/").rpartition("/")[2]
        if named in FEEDS and named != channel:
            raise Refused("bad_value", f"This is an address of {named}; choose it as the feed.")
        pairs = parse_qsl(parts.query)
    return {name: value for name, value in pairs if value and name not in _WRITING}


def written(parameters: dict[str, Any]) -> str:
    """Parameters as lines of the form."""
    text = "\n".join(f"{name}={value}" for name, value in parameters.items())
    return f"{text}\n" if "&" in text or "?" in text else text
