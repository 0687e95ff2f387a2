"""Checks of the machine: the port, the files a process may open, and the static files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders

from spot.doctor.findings import Finding, Level
from spot.doctor.site import Site
from spot.processes import statics
from spot.server import listening

#: Files that a web process opens besides sockets of clients.
_OWN_FILES = 200
#: A file of the bundled front end, without which pages have neither data nor looks.
_BUNDLED = "spot/build/spot.css"


def port(_site: Site) -> Iterator[Finding]:
    """Whether the port is free, or Spot's own web process answers on it."""
    try:
        listening.bound(settings.SPOT_BIND, settings.PORT).close()
    except listening.CannotServe as error:
        if not listening.is_served(settings.SPOT_BIND, settings.PORT):
            problem, _, mend = str(error).partition(". ")
            yield Finding("port", "problem", f"{problem.rstrip('.')}.", mend or "Correct SPOT_BIND and PORT.")


def files(_site: Site) -> Iterator[Finding]:
    """Whether a web process may open as many files as it is to have sockets."""
    sockets = settings.SPOT_CONNECTIONS + settings.SPOT_REQUESTS
    limit = listening.file_limit()
    if limit < sockets + _OWN_FILES:
        sentence = (
            f"A process may open {limit} files, fewer than SPOT_CONNECTIONS and SPOT_REQUESTS together ({sockets}): "
            "past them connections are refused without a reason."
        )
        mend = (
            f"Raise the hard limit to {sockets + _OWN_FILES} (ulimit -Hn, LimitNOFILE of systemd, ulimits of Compose), "
            "or lower SPOT_CONNECTIONS."
        )
        yield Finding("files", "problem" if limit < 2 * _OWN_FILES else "warning", sentence, mend)


def static(site: Site) -> Iterator[Finding]:
    """Whether static files are bundled and collected."""
    collected = Path(settings.STATIC_ROOT, "staticfiles.json")
    collects = "Run manage.py prepare; make run does so at each start."
    if finders.find(_BUNDLED) is None and not (collected.exists() and _BUNDLED in collected.read_text()):
        yield Finding("static", "problem", "The front end is not bundled: pages show no data.", "Run make assets.")
    elif not collected.exists():
        level: Level = "problem" if site.runs else "warning"
        sentence = f"No static files are collected in {settings.STATIC_ROOT}: pages answer with errors."
        yield Finding("static", level, sentence, collects)
    elif statics.are_old():
        yield Finding("static", "warning", "Static files have changed since they were collected.", collects)
