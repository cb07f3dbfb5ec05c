"""What boards download, from a server that may answer as badly as servers do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import threading


@dataclass(slots=True)
class Page:
    """An answer; `cut_at` ends it early, a gate holds it back until it is set."""

    body: bytes
    status: int = 200
    headers: dict[str, str] | None = None
    cut_at: int | None = None
    gate: threading.Event | None = None


@dataclass(slots=True)
class Site:
    """Pages by their path, and what was asked for."""

    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def put(self, path: str, page: Page) -> str:
        """Put a page, and return its address."""
        self.pages[path] = page
        return self.address + path


@contextmanager
def open_site() -> Iterator[Site]:
    """Serve for as long as the context lasts."""
    site = Site()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            page = site.pages.get(self.path, Page(b"", 404))
            self.send_response(page.status)
            headers = {"Content-Length": str(len(page.body))} if page.headers is None else page.headers
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            half = len(page.body) // 2 if page.gate is not None else 0
            self.wfile.write(page.body[:half])
            if page.gate is not None:
                page.gate.wait(10)
            self.wfile.write(page.body[half : page.cut_at])

        def log_message(self, format: str, *args: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="seed-site")
    thread.start()
    site.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
