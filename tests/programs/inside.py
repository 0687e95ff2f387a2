"""Runs a command in the namespaces that it is started in: `inside.py SETUP COMMAND...`, under `unshare -Urnm`.

The setup is JSON: `over`, pairs of files of which the first is seen in the place of the second, and `socket`, the unix
socket of the front to which connections to 127.0.0.1:443 are passed on.
"""

import asyncio
import fcntl
import json
import socket
import struct
import subprocess
import sys
import threading

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1


def _bring_up_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        flags = struct.unpack("16sH", fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16sH", b"lo", 0)))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH", b"lo", flags | _IFF_UP))


def main() -> int:
    """The exit status of the command."""
    setup, command = json.loads(sys.argv[1]), sys.argv[2:]
    for one, two in setup["over"]:
        subprocess.run(["mount", "--bind", one, two], check=True)
    _bring_up_loopback()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(setup["socket"])
        await asyncio.gather(copy(reader, back), copy(there, writer))

    loop = asyncio.new_event_loop()
    loop.run_until_complete(asyncio.start_server(relay, "127.0.0.1", 443))
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return subprocess.call(command)


if __name__ == "__main__":
    sys.exit(main())
