"""The texts of keys: made at random, shown once, and kept as a keyed hash only.

The hash is an HMAC with a key derived from each of settings.SPOT_SECRET_KEYS, so a copy of the database alone verifies
no guess. New keys are hashed with the first; those hashed with an older one stay good as long as it is listed.
"""

from __future__ import annotations

import hmac
import re
import secrets
import string
from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from providers.vault import Secret

_PREFIX, _ALPHABET = "spot_", string.ascii_letters + string.digits
#: Characters after the prefix: 238 bits, of which the ten that stay readable show 59.
_RANDOM = 40
_FORM = re.compile(rf"{_PREFIX}[A-Za-z0-9]{{{_RANDOM}}}")
#: The characters of a key by which the operator's pages name it, from its start.
SHOWN = len(_PREFIX) + 6


def new() -> Secret:
    """A new key."""
    return Secret(_PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM)))


def digests(text: str) -> list[bytes]:
    """The hashes under which a key may be stored, that for new keys first; none where the text cannot be a key."""
    if not _FORM.fullmatch(text):
        return []
    return [hmac.digest(derived, text.encode(), "sha256") for derived in _derived(tuple(settings.SPOT_SECRET_KEYS))]


@lru_cache(maxsize=8)
def _derived(texts: tuple[str, ...]) -> list[bytes]:
    return [HKDF(algorithm=SHA256(), length=32, salt=None, info=b"spot client keys").derive(t.encode()) for t in texts]
