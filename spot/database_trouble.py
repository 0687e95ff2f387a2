"""Why the database refuses, in the words of its driver. `providers.redis_trouble` is the same for Redis."""

import re

from spot_project.logs import scrub

_BESIDES = re.compile(r"\s*(DETAIL|HINT):")


def why(error: Exception) -> str:
    """The last line of an error, which has the reason, without details and secrets, and without a full stop."""
    lines = [line for line in str(error).splitlines() if line.strip() and not _BESIDES.match(line)]
    return scrub((lines or [type(error).__name__])[-1].strip().rstrip("."))
