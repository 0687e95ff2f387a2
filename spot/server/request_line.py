"""Mend the request line of a client that does not percent-encode its URL.

The documented example URLs carry raw JSON and spaces (`?filters={"Symbol":"BTC"}&sort_by=Market Cap`), and WebSocket
clients put them on the wire as they stand. An HTTP parser must refuse that line, so it is mended before the parser.
"""

import re

# The last " HTTP/1.x" ends the line, so whatever lies between it and the method is the target, spaces and all.
_REQUEST_LINE = re.compile(rb"([A-Z]+) (/.*) (HTTP/1\.[01]\r?)", re.DOTALL)
# Characters of raw JSON that RFC 3986 wants encoded. Control characters stay: the parser is right to refuse them.
_RAW = re.compile(rb'[ "#<>\\^`{|}\x80-\xff]')


def repair(line: bytes) -> bytes:
    """The request line (with or without its CR) with the raw characters of its target percent-encoded.

    Anything that is not a request line comes back as it is.
    """
    match = _REQUEST_LINE.fullmatch(line)
    if match is None or not _RAW.search(match[2]):
        return line
    target = _RAW.sub(lambda raw: b"%%%02X" % raw[0][0], match[2])
    return b"%b %b %b" % (match[1], target, match[3])
