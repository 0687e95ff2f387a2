"""Another site: a server on loopback whose only page says what a test wants it to say."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Blog:
    """`with Blog() as blog: blog.markup = "<p>Hello"; visit(blog.origin)`. `blog.stranger` is the same page at an
    origin that nobody allows."""

    def __init__(self) -> None:
        self.markup = ""
        blog = self

        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = f'<!doctype html><title>Blog</title><link rel="icon" href="data:,">{blog.markup}'.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *values: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        port = self._server.server_address[1]
        self.origin = f"http://127.0.0.1:{port}"
        self.stranger = f"http://localhost:{port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
