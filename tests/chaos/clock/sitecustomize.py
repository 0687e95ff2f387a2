"""Python imports this at its start when the folder is in PYTHONPATH: the time of day is off by what a file says.

CHAOS_CLOCK names a file with the offset in nanoseconds, eight bytes, which may change while the process runs. The
monotonic clock, and the datetimes that C makes, stay as they are.
"""

import mmap
import os
import time

if path := os.environ.get("CHAOS_CLOCK"):
    with open(path, "r+b") as _file:  # noqa: PTH123 - mmap wants a file number
        _offset = mmap.mmap(_file.fileno(), 8)
    _time_ns, _time = time.time_ns, time.time
    time.time_ns = lambda: _time_ns() + int.from_bytes(_offset[:8], signed=True)
    time.time = lambda: _time() + int.from_bytes(_offset[:8], signed=True) / 1e9
