"""Posts the message in a file to nginx's channels for each byte on standard input."""

import http.client
import os
import sys
import time
from pathlib import Path


def main(port: int, path: str, groups: int) -> None:
    """Post to /pub/0, /pub/1 and so on over one connection."""
    parts = Path(path).read_bytes().split(b"0" * 19)
    server = http.client.HTTPConnection("127.0.0.1", port)
    server.connect()
    print("ready", flush=True)
    while os.read(0, 1):
        message = (b"%019d" % time.monotonic_ns()).join(parts)
        for group in range(groups):
            server.request("POST", f"/pub/{group}", message, {"Content-Type": "application/json"})
            answer = server.getresponse()
            answer.read()
            if answer.status >= 300:
                raise SystemExit(f"nginx answered {answer.status}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
