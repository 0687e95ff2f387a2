"""Stands in for Prometheus: asks for the metrics each second, on one connection."""

import http.client
import sys
import time


def main(port: int) -> None:
    """Scrape until ended."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    while True:
        began = time.monotonic()
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200 or b"spot_store_up 1.0" not in text:
            sys.exit(f"{answer.status}: {text[:200]!r}")
        time.sleep(max(0.0, began + 1 - time.monotonic()))


if __name__ == "__main__":
    main(int(sys.argv[1]))
