"""Hand a board a stretch of an image over a TCP connection that it opens: to one board, once, and for seconds only."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
import logging

from homeassistant.components import network
from homeassistant.components.network.const import PUBLIC_TARGET_IP
from homeassistant.core import HomeAssistant, callback

from .ota.errors import OtaError, Reason

_LOGGER = logging.getLogger(__name__)

# A board that reads slower than this, in seconds for the whole stretch, has lost its Wi-Fi.
SLOWEST = 60.0


class SocketOffers:
    """The listeners that are open now, one a session at the most."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Listen nowhere yet."""
        self._hass = hass
        self._open: dict[str, asyncio.Task[object]] = {}

    async def async_serve(
        self,
        session_id: str,
        data: bytes,
        *,
        ports: tuple[int, int],
        host: str,
        address: str,
        seconds: float,
        say: Callable[[str, int], None],
    ) -> Reason | None:
        """Listen for `seconds`, call `say(host, port)`, and send `data` to the first board that comes.

        Return None when all of it has left, else why not. Raises OtaError where no listener can be opened.
        """
        self.close(session_id)
        task = asyncio.current_task()
        assert task is not None
        self._open[session_id] = task
        host = host or await self._async_own_address(address)
        one = _OneConnection(data, address)
        server = await _async_listen(one.serve, ports)
        try:
            say(host, server.sockets[0].getsockname()[1])
            return await one.async_outcome(seconds)
        finally:
            server.close()
            one.close()
            if self._open.get(session_id) is task:
                del self._open[session_id]

    @callback
    def close(self, session_id: str) -> None:
        """Listen no more for a session."""
        task = self._open.pop(session_id, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    async def _async_own_address(self, address: str) -> str:
        """Return Home Assistant's IP address, as a board at `address` sees it where that is known."""
        found = await network.async_get_source_ip(self._hass, address or PUBLIC_TARGET_IP)
        if not found:
            raise OtaError(Reason.NO_ADDRESS)
        return found


class _OneConnection:
    """Serves whoever comes first, if it is the board, and nobody else."""

    def __init__(self, data: bytes, address: str) -> None:
        self._data = data
        self._address = address
        self._came = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._done: asyncio.Future[Reason | None] = asyncio.get_running_loop().create_future()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send the data, and close."""
        peer = writer.get_extra_info("peername")
        if self._writer is not None or (self._address and (peer is None or peer[0] != self._address)):
            _LOGGER.warning("A connection of %s was refused: it is not the board that was asked", peer)
            writer.close()
            return
        self._writer = writer
        self._came.set()
        failure: Reason | None = None
        try:
            writer.write(self._data)
            await writer.drain()
            writer.write_eof()
            # The board closes when it has read all: only then is nothing of it on the way any more.
            while await reader.read(1024):
                pass
        except OSError:
            failure = Reason.BOARD_TRANSPORT
        finally:
            writer.close()
        if not self._done.done():
            self._done.set_result(failure)

    async def async_outcome(self, seconds: float) -> Reason | None:
        """Wait for a board for `seconds`, and then for the end of its connection."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._came.wait()
        if not self._came.is_set():
            return Reason.NEVER_FETCHED
        try:
            async with asyncio.timeout(SLOWEST):
                return await self._done
        except TimeoutError:
            return Reason.BOARD_TRANSPORT

    def close(self) -> None:
        """Cut off who is still connected."""
        if self._writer is not None:
            self._writer.transport.abort()


async def _async_listen(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], ports: tuple[int, int]
) -> asyncio.Server:
    """Open a listener on the first port that is free."""
    for port in range(ports[0], ports[1] + 1):
        with suppress(OSError):
            return await asyncio.start_server(serve, "0.0.0.0", port)
    raise OtaError(Reason.NO_PORT, first=ports[0], last=ports[1])
