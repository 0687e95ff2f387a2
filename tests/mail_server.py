"""A mail server on loopback that notes what it gets, or refuses it."""

from __future__ import annotations

import email
import email.message
import email.policy
import socketserver
import threading
from typing import Self


class _Session(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self._say("220 mail.test ESMTP")
        while line := self.rfile.readline():
            verb = line.decode().strip().upper()[:4]
            if verb == "QUIT":
                self._say("221 bye")
                return
            if verb == "DATA":
                self._take()
            else:
                self._say("451 try later" if verb == "RCPT" and self.server.refuses else "250 ok")

    def _take(self) -> None:
        self._say("354 go on")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        self.server.letters.append(email.message_from_bytes(b"".join(lines), policy=email.policy.default))
        self._say("250 taken")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.letters: list[email.message.EmailMessage] = []
        self.refuses = False
        super().__init__(("127.0.0.1", 0), _Session)


class MailServer:
    """`letters` are the messages that it took; while `refuses`, it takes none."""

    def __init__(self) -> None:
        self.server = _Server()
        self.port: int = self.server.server_address[1]
        self._thread = threading.Thread(target=self.server.serve_forever)

    @property
    def letters(self) -> list[email.message.EmailMessage]:
        return self.server.letters

    def refuse(self, *, refuses: bool) -> None:
        """Refuse every recipient for the time being, or take them again."""
        self.server.refuses = refuses

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()
