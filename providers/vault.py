"""Provider keys at rest, encrypted with keys derived from settings.SPOT_SECRET_KEYS; the first of them encrypts."""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class Locked(Exception):
    """The token was made with a secret that is no longer among SPOT_SECRET_KEYS: the key must be entered again."""


class Secret:
    """A key that cannot be printed, logged or formatted by accident; only `reveal` returns its text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(***)" if self._text else "Secret()"

    def __reduce__(self) -> str:
        raise TypeError("a Secret cannot be pickled")


def _fernets() -> MultiFernet:
    return MultiFernet([Fernet(_derived(text)) for text in settings.SPOT_SECRET_KEYS])


def _derived(text: str) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"spot provider keys").derive(text.encode())
    return base64.urlsafe_b64encode(derived)


def lock(secret: Secret) -> str:
    """Encrypt a secret; the token to store."""
    return _fernets().encrypt(secret.reveal().encode()).decode()


def unlock(token: str) -> Secret:
    """Decrypt a token. Raises `Locked` when none of the present keys decrypts it."""
    try:
        return Secret(_fernets().decrypt(token.encode()).decode())
    except InvalidToken:
        raise Locked("made with another SPOT_SECRET_KEYS") from None


def relock(token: str) -> str:
    """Encrypt a token again with the newest key, so that older keys can be removed. Raises `Locked` as above."""
    try:
        return _fernets().rotate(token.encode()).decode()
    except InvalidToken:
        raise Locked("made with another SPOT_SECRET_KEYS") from None


def is_newest(token: str) -> bool:
    """Whether the first of SPOT_SECRET_KEYS decrypts a token, so that it does without the others."""
    try:
        Fernet(_derived(settings.SPOT_SECRET_KEYS[0])).decrypt(token.encode())
    except InvalidToken:
        return False
    return True
