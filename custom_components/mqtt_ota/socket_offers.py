"""Hand a board a stretch of an image over a TCP connection that it opens: to one board, once, and for seconds only."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
import logging
import socket
from typing import Final

from homeassistant.components import network
from homeassistant.components.network.const import PUBLIC_TARGET_IP
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError

from .ota.errors import OtaError, Reason

_LOGGER = logging.getLogger(__name__)

# A board that reads slower than this, in seconds for the whole stretch, has lost its Wi-Fi.
SLOWEST = 60.0
# How long the end of the connection is held back, in seconds: whoever leaves before it does not read to the end.
HELD_BACK = 0.25
# How often to look whether a board that says no goodbye has received all, and how often it must have been so.
GLANCE = 1.0
GLANCES = 5

_ANYWHERE: Final = "0.0.0.0"
# Linux's name for a connection whose end the other side has acknowledged.
_FIN_WAIT2: Final = 5


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
        try:
            own = host or await self._async_own_address(address)
            one = _OneConnection(data, address)
            # Where the user says another address than Home Assistant has, something in between passes on what comes.
            server = await _async_listen(one.serve, _ANYWHERE if host else own, ports)
            try:
                say(own, server.sockets[0].getsockname()[1])
                return await one.async_outcome(seconds)
            finally:
                server.close()
                one.close()
        finally:
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
        try:
            return await network.async_get_source_ip(self._hass, address or PUBLIC_TARGET_IP)
        except HomeAssistantError as err:
            raise OtaError(Reason.NO_ADDRESS) from err


class _OneConnection:
    """Serves whoever comes first, if it is the board, and nobody else until that one has gone without reading."""

    def __init__(self, data: bytes, address: str) -> None:
        self._data = data
        self._address = address
        self._writer: asyncio.StreamWriter | None = None
        self._failure = Reason.NEVER_FETCHED
        self._has_refused = False
        self._served = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send the data to a peer, and close."""
        peer = writer.get_extra_info("peername")
        is_board = peer is not None and self._address in {"", peer[0]}
        if self._writer is not None or self._served.is_set() or not is_board:
            self._refuse(writer, peer)
            return
        self._writer = writer
        self._failure = Reason.BOARD_TRANSPORT
        self._idle.clear()
        try:
            if await self._hand_over(reader, writer):
                self._served.set()
        except OSError as err:
            _LOGGER.debug("The connection of %s broke off: %s", peer, err)
        finally:
            self._writer = None
            self._idle.set()
            writer.close()

    async def async_outcome(self, seconds: float) -> Reason | None:
        """Wait for a board for `seconds`, and for the end of its connection where it is there by then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._served.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(SLOWEST):
                await self._idle.wait()
        return None if self._served.is_set() else self._failure

    def close(self) -> None:
        """Cut off who is still connected: it sees an end that comes too early."""
        if self._writer is not None:
            self._writer.transport.abort()

    async def _hand_over(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Send the data and the end; return whether the peer read both."""
        writer.transport.set_write_buffer_limits(0)
        writer.write(self._data)
        await writer.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(HELD_BACK):
                await reader.read(1)
                return False
        writer.write_eof()
        glances = 0
        while glances < GLANCES:
            try:
                async with asyncio.timeout(GLANCE):
                    return not await reader.read(1)
            except TimeoutError:
                # A board that restarts at once may say no goodbye.
                glances += _has_received_all(writer)
        return True

    def _refuse(self, writer: asyncio.StreamWriter, peer: object) -> None:
        if not self._has_refused:
            _LOGGER.warning("A connection of %s was refused: it is not the board that was asked", peer)
        self._has_refused = True
        writer.close()


def _has_received_all(writer: asyncio.StreamWriter) -> bool:
    """Tell whether the other side acknowledged everything up to the end; not known but on Linux."""
    link = writer.get_extra_info("socket")
    if not hasattr(socket, "TCP_INFO"):
        return False
    return bool(link.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _FIN_WAIT2)


async def _async_listen(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], host: str, ports: tuple[int, int]
) -> asyncio.Server:
    """Open a listener on the first port that is free."""
    for port in range(ports[0], ports[1] + 1):
        with suppress(OSError):
            return await asyncio.start_server(serve, host, port, backlog=4)
    raise OtaError(Reason.NO_PORT, first=ports[0], last=ports[1])
