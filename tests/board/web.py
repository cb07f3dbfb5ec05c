"""One image on HTTP, from a server that may cut connections or know no ranges."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import threading


@dataclass(slots=True)
class Web:
    """What is served, how, and what was asked; `cut_at` ends the first answers after so many bytes each."""

    image: bytes
    knows_ranges: bool = True
    cut_at: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, asked: str) -> tuple[HTTPStatus, int, bytes]:
        """Return status, full length and body for a request with this range."""
        self.asked.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.knows_ranges else 0
        body = self.image[start:]
        sent = body[: self.cut_at.pop(0)] if self.cut_at else body
        return HTTPStatus.PARTIAL_CONTENT if start else HTTPStatus.OK, len(body), sent


@contextmanager
def serve(web: Web) -> Iterator[Web]:
    """Serve for as long as the context lasts."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, length, body = web.answer(self.headers.get("Range", ""))
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            if status is HTTPStatus.PARTIAL_CONTENT:
                start = len(web.image) - length
                self.send_header("Content-Range", f"bytes {start}-{len(web.image) - 1}/{len(web.image)}")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="board-web")
    thread.start()
    web.url = f"http://127.0.0.1:{server.server_port}/image.bin"
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
