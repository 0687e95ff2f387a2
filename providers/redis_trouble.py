"""Errors of a Redis that answers and cannot be used, in words for the operator. Pure."""

from __future__ import annotations

import re

#: A pattern for the class in redis-py or for the code in the text (errors of scripts have a generic class), and its
#: explanation. The first match wins.
_WORDS = {
    r"ReadOnlyError|READONLY|read.only replica": "refuses writes: it is a read-only replica",
    r"OutOfMemoryError|\bOOM\b": "is full: raise its maxmemory, or find what else fills it",
    r"MISCONF": "cannot save to its disk, and refuses writes until it can",
    r"BusyLoadingError|LOADING": "is loading its data",
    r"MasterDownError|MASTERDOWN": "is a replica that has lost its primary",
    r"UnknownService": "cannot be found: no Sentinel in REDIS_URL watches the service that it names",
    r"SlotNotServed|ClusterDownError|CLUSTERDOWN": "is a cluster in which nobody serves Spot's keys at the moment",
    r"SentinelRefuses": (
        "cannot be found: the Sentinels refuse the user or the password, which are sentinel_username and "
        "sentinel_password in REDIS_URL"
    ),
    r"NotPrimary": "is a replica, where the Sentinels or the cluster name it as the primary",
    r"AuthenticationError|AuthenticationWrongNumberOfArgsError|NOAUTH|WRONGPASS": (
        "refuses the user or the password in REDIS_URL"
    ),
    r"NoPermissionError|AuthorizationError|NOPERM": "does not let the user in REDIS_URL do what Spot needs",
    r"DB index is out of range|SELECT is not allowed|invalid DB index": "has no database of the number in REDIS_URL",
    r"MovedError|AskError|MOVED|CrossSlot|CROSSSLOT": (
        "is a node of a cluster: REDIS_URL must begin with redis+cluster://"
    ),
    r"NOREPLICAS": "refuses writes: too few of its replicas are connected",
    # redis-py passes on what OpenSSL says.
    r"verify failed: (self.signed|unable to get)": (
        "has a certificate of an authority that is unknown here: name the authority's file as ssl_ca_certs in REDIS_URL"
    ),
    r"Hostname mismatch|IP address mismatch": "has a certificate for another name than the one in REDIS_URL",
    r"certificate has expired": "has a certificate that has expired",
    r"(?i)alert.certificate.required": "asks for a certificate: name it as ssl_certfile and ssl_keyfile in REDIS_URL",
    r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE": "speaks no TLS: REDIS_URL must begin with redis://",
    r"NoNodeAnswers": "cannot be found: none of the servers in REDIS_URL answers",
    r"MaxConnectionsError|max number of clients": "has all the clients that it takes",
}
#: Errors that another server behind the same address may not have: the connection is closed.
_WRONG_SERVER = re.compile(
    r"ReadOnlyError|READONLY|read.only replica|MasterDownError|MASTERDOWN|MovedError|MOVED|AskError"
)


def refusal(error: BaseException) -> str:
    """Why Redis cannot be used, to continue "Redis …"; "" when the error matches no pattern."""
    description = _description(error)
    return next((words for pattern, words in _WORDS.items() if re.search(pattern, description)), "")


def wrong_server(error: BaseException) -> bool:
    """Whether the error means that another server is the primary now."""
    return bool(_WRONG_SERVER.search(_description(error)))


def why(error: BaseException) -> str:
    """Why Redis cannot be used, as a sentence without any part of its URL."""
    if refused := refusal(error):
        return f"Redis {refused}."
    if re.search("Timeout", type(error).__name__):
        return "Redis does not answer in time."
    if isinstance(error, OSError) or "ConnectionError" in type(error).__name__:
        return "Redis cannot be reached."
    return f"Redis answers with an error ({type(error).__name__})."


def _description(error: BaseException) -> str:
    """The classes and texts of an error and its causes: redis-py removes the code from the text, and wraps errors."""
    texts: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(texts) < 5:
        texts.append(f"{type(cause).__name__} {cause}")
        cause = cause.__cause__
    return " ".join(texts)
