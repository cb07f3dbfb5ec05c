"""A download over plain HTTP, as a board does it: piece by piece, and no more than it asks for."""

import select
import socket
from urllib.parse import urljoin, urlsplit

_REDIRECTS = {301, 302, 303, 307, 308}
_LONGEST_HEAD = 16 * 1024


class Download:
    """An answer to a GET; raises OSError or ValueError where there is none."""

    def __init__(self, url: str, *, timeout: float = 5.0, redirects: int = 0) -> None:
        """Ask, and read the head of the answer; follow so many redirections."""
        self._rest = b""
        self._open(url, timeout)
        for _ in range(redirects):
            target = self._head.get("location")
            if self.status not in _REDIRECTS or target is None:
                break
            self.close()
            url = urljoin(url, target)
            self._open(url, timeout)

    @property
    def length(self) -> int | None:
        """Return how long the body says that it is."""
        return int(self._head["content-length"]) if "content-length" in self._head else None

    def read(self, count: int, timeout: float) -> bytes | None:
        """Return some bytes, at most `count`; none at the end, None where nothing came in time."""
        if not self._rest:
            if not select.select([self._socket], [], [], timeout)[0]:
                return None
            try:
                self._rest = self._socket.recv(65536)
            except ConnectionError:
                return b""
        piece, self._rest = self._rest[:count], self._rest[count:]
        return piece

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _open(self, url: str, timeout: float) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError("Not a plain HTTP address")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._socket = socket.create_connection((parts.hostname, parts.port or 80), timeout)
        try:
            request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: ESP32HTTPClient\r\n\r\n"
            self._socket.sendall(request.encode("latin-1"))
            head = self._read_head()
        except BaseException:
            self._socket.close()
            raise
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split(" ", 2)[1])
        pairs = (line.partition(":") for line in lines)
        self._head = {name.strip().lower(): value.strip() for name, _, value in pairs}

    def _read_head(self) -> bytes:
        got = b""
        while b"\r\n\r\n" not in got:
            piece = self._socket.recv(4096)
            if not piece or len(got) > _LONGEST_HEAD:
                raise ConnectionError("No answer")
            got += piece
        head, _, self._rest = got.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.") or b" " not in head:
            raise ConnectionError("No HTTP")
        return head
