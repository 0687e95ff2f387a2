"""Python imports this at its start when the folder is in PYTHONPATH, as in every process of a chaos site.

CHAOS_CLOCK names a file with an offset in nanoseconds, eight bytes, which may change while the process runs: the time
of day is off by that much. The monotonic clock, and the datetimes that C makes, stay as they are (see CLOCKS in
`tests.chaos.bench`).

CHAOS_NAMES names a file of JSON: hosts, and the address of each, or null for one that cannot be found now.

CHAOS_CHANGES names a file of JSON: modules, and pairs of texts. A module's source has the second text of each pair in
place of the first when it is imported, or the import fails.
"""

import importlib.machinery
import json
import mmap
import os
import socket
import sys
import time

if path := os.environ.get("CHAOS_CLOCK"):
    with open(path, "r+b") as _file:  # noqa: PTH123 - mmap wants a file number
        _offset = mmap.mmap(_file.fileno(), 8)
    _time_ns, _time = time.time_ns, time.time
    time.time_ns = lambda: _time_ns() + int.from_bytes(_offset[:8], signed=True)
    time.time = lambda: _time() + int.from_bytes(_offset[:8], signed=True) / 1e9

if _names := os.environ.get("CHAOS_NAMES"):
    _getaddrinfo = socket.getaddrinfo

    def _looked_up(host, *args, **options):
        with open(_names) as file:  # noqa: PTH123
            names = json.load(file)
        if names.get(host, "") is None:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return _getaddrinfo(names.get(host, host), *args, **options)

    socket.getaddrinfo = _looked_up

if path := os.environ.get("CHAOS_CHANGES"):
    with open(path) as _file:  # noqa: PTH123 - pathlib is not imported otherwise
        _changes = json.load(_file)

    class _Changed(importlib.machinery.SourceFileLoader):
        """Compiles the changed source; neither reads nor writes compiled files."""

        def get_code(self, fullname):
            source = self.get_source(fullname)
            for old, new in _changes[fullname]:
                if source.count(old) != 1:
                    raise ImportError(f"{fullname} has this {source.count(old)} times: {old}")
                source = source.replace(old, new)
            return compile(source, self.path, "exec", dont_inherit=True)

    class _Finder:
        """Finds the modules to change, as they are found otherwise."""

        @staticmethod
        def find_spec(name, path=None, target=None):
            if name not in _changes:
                return None
            spec = importlib.machinery.PathFinder.find_spec(name, path, target)
            if spec is not None:
                spec.loader = _Changed(name, spec.origin)
            return spec

    sys.meta_path.insert(0, _Finder)
