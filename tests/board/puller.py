"""An image by its URL, in a thread of its own."""

from collections.abc import Callable, Iterator
from contextlib import closing
import http.client
from queue import Full, Queue
import threading
import urllib.request

from .effects import Fetch

_TRIES = 5
_TIMEOUT = 10.0
_PAUSE = 0.1
# Pieces that wait for the flash: the rest waits in the network.
_AHEAD = 8

type Piece = tuple[int, bytes] | str


class Puller:
    """Fetches an image by ranges, again from where it was when a connection is lost.

    `take` returns what has come: numbered pieces, and a text when nothing more will, which says why.
    """

    def __init__(self, fetch: Fetch, wake: Callable[[], None]) -> None:
        """Begin to fetch; `wake` is called from the thread for every piece."""
        self._fetch = fetch
        self._wake = wake
        self._pieces: Queue[Piece] = Queue(_AHEAD)
        self._stopped = threading.Event()
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._thread = threading.Thread(target=self._run, name="board-puller", daemon=True)
        self._thread.start()

    def take(self) -> Piece | None:
        """Return the next piece, or why there is no more; None while there is nothing yet."""
        return None if self._pieces.empty() else self._pieces.get()

    def stop(self) -> None:
        """Fetch no more."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        offset, tries, cause = self._fetch.offset, 0, ""
        while offset < self._fetch.size and tries < _TRIES:
            tries += 1
            try:
                for piece in self._read_from(offset):
                    if not self._put((offset // self._fetch.piece, piece)):
                        return
                    offset += len(piece)
                    tries = 0
                cause = "too short"
            except (OSError, http.client.HTTPException, ValueError) as err:
                cause = str(err) or type(err).__name__
            if offset < self._fetch.size and tries < _TRIES and self._stopped.wait(_PAUSE * tries):
                return
        if offset < self._fetch.size:
            self._put(cause[:128])

    def _read_from(self, offset: int) -> Iterator[bytes]:
        """Yield whole pieces from an offset on; the last piece of the image may be short."""
        fetch = self._fetch
        request = urllib.request.Request(fetch.url, headers={"Range": f"bytes={offset}-"} if offset else {})
        with closing(self._opener.open(request, timeout=_TIMEOUT)) as response:
            if offset and response.status != http.HTTPStatus.PARTIAL_CONTENT:
                _skip(response, offset)
            while offset < fetch.size:
                length = min(fetch.piece, fetch.size - offset)
                piece = response.read(length)
                if len(piece) < length:
                    return
                yield piece
                offset += length

    def _put(self, piece: Piece) -> bool:
        """Hand over a piece when there is room; False when nobody wants it any more."""
        while not self._stopped.is_set():
            try:
                self._pieces.put(piece, timeout=_PAUSE)
            except Full:
                continue
            self._wake()
            return True
        return False


def _skip(response: http.client.HTTPResponse, length: int) -> None:
    """Read past what is held already, from a server that knows no ranges."""
    while length > 0 and (read := response.read(min(length, 65536))):
        length -= len(read)
