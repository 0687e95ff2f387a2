"""The collected static files, and whether they are still those of this version."""

from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders


def are_old() -> bool:
    """Whether a static file is newer than the collection (collecting takes a second or two)."""
    collected = Path(settings.STATIC_ROOT, "staticfiles.json")
    if not collected.exists():
        return True
    collected_at = collected.stat().st_mtime
    files = (storage.path(name) for finder in get_finders() for name, storage in finder.list(ignore_patterns=[".*"]))
    return any(Path(file).stat().st_mtime > collected_at for file in files)
