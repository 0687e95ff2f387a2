"""What exchanges announce, the last three first: `python tail.py http://localhost:8000`."""

import sys

from spot_client.sync import Client, Gap

with Client(sys.argv[1]) as client:
    for count, event in enumerate(client.tail("listings", last=3), 1):
        print("some are lost" if isinstance(event, Gap) else f"{event['exchange']}: {event['title']}")
        if count == 3:
            break
