"""The one-shot listener on real sockets: who is served, who is not, and that nothing of it stays."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
import socket
import struct

import pytest

from custom_components.mqtt_ota import socket_offers
from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from custom_components.mqtt_ota.socket_offers import SocketOffers
from homeassistant.components import network
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from tests.e2e.harness.ports import LOOPBACK, reserved_port

SOURCE = b"print('hello')\n" * 300
# More than all the buffers between two sockets hold.
LARGE = bytes(16 << 20)
PATIENCE = 10.0

type Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Stand:
    """Offers on some ports, and what was said of them."""

    offers: SocketOffers
    ports: tuple[int, int]
    said: asyncio.Queue[tuple[str, int]] = field(default_factory=asyncio.Queue)
    tasks: list[asyncio.Task[Reason | None]] = field(default_factory=list)
    peers: list[asyncio.StreamWriter] = field(default_factory=list)

    def offer(
        self,
        data: bytes = SOURCE,
        *,
        session: str = "one",
        host: str = LOOPBACK,
        address: str = "",
        seconds: float = PATIENCE,
    ) -> asyncio.Task[Reason | None]:
        """Offer data to whoever comes."""
        offering = self.offers.async_serve(
            session,
            data,
            ports=self.ports,
            host=host,
            address=address,
            seconds=seconds,
            say=lambda told, port: self.said.put_nowait((told, port)),
        )
        self.tasks.append(asyncio.ensure_future(offering))
        return self.tasks[-1]

    async def heard(self) -> tuple[str, int]:
        """Return what was said next."""
        async with asyncio.timeout(PATIENCE):
            return await self.said.get()

    async def come(self) -> Peer:
        """Connect where it was said."""
        return await self.connect(await self.heard())

    async def connect(self, where: tuple[str, int]) -> Peer:
        """Connect."""
        reader, writer = await asyncio.open_connection(*where)
        self.peers.append(writer)
        return reader, writer


@pytest.fixture
def port(socket_enabled: None) -> Iterator[int]:
    with reserved_port() as port:
        yield port


@pytest.fixture
async def stand(hass: HomeAssistant, port: int) -> AsyncIterator[Stand]:
    stand = Stand(SocketOffers(hass), (port, port))
    yield stand
    for task in stand.tasks:
        task.cancel()
    await asyncio.gather(*stand.tasks, return_exceptions=True)
    for peer in stand.peers:
        peer.close()
    assert not stand.offers._open
    await nobody_listens(port)


async def nobody_listens(port: int) -> None:
    """Fail where a listener is left."""
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection(LOOPBACK, port)


async def outcome(task: asyncio.Task[Reason | None]) -> Reason | None:
    async with asyncio.timeout(PATIENCE):
        return await task


def reset(writer: asyncio.StreamWriter) -> None:
    """Break a connection off, as a board does whose power goes."""
    link: socket.socket = writer.get_extra_info("socket")
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@pytest.mark.parametrize("data", [SOURCE, b"", LARGE], ids=["source", "empty", "large"])
@pytest.mark.parametrize("address", ["", LOOPBACK])
async def test_a_board_reads_to_the_end_and_closes(stand: Stand, data: bytes, address: str) -> None:
    task = stand.offer(data, address=address)
    reader, writer = await stand.come()
    assert await reader.read() == data
    assert not task.done()
    writer.close()
    assert await outcome(task) is None


async def test_a_board_that_restarts_without_a_goodbye_has_read_it_all(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_offers, "GLANCE", 0.01)
    task = stand.offer()
    reader, _ = await stand.come()
    assert await reader.read() == SOURCE
    assert await outcome(task) is None


async def test_where_acknowledgements_are_not_known_a_goodbye_is_needed(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_offers, "GLANCE", 0.01)
    monkeypatch.setattr(socket_offers, "SLOWEST", 0.2)
    monkeypatch.delattr(socket, "TCP_INFO")
    task = stand.offer(seconds=0.2)
    reader, _ = await stand.come()
    assert await reader.read() == SOURCE
    assert await outcome(task) is Reason.BOARD_TRANSPORT


async def test_nobody_comes(stand: Stand, port: int) -> None:
    task = stand.offer(seconds=0.05)
    assert await stand.heard() == (LOOPBACK, port)
    assert await outcome(task) is Reason.NEVER_FETCHED


async def test_a_client_that_reads_nothing_is_cut_off(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_offers, "SLOWEST", 0.1)
    task = stand.offer(LARGE, seconds=0.3)
    reader, _ = await stand.come()
    assert await outcome(task) is Reason.BOARD_TRANSPORT
    # An end, not a reset: a board restarts over an error, and does not over a digest that is wrong.
    async with asyncio.timeout(PATIENCE):
        assert len(await reader.read()) < len(LARGE)


async def test_a_board_whose_power_goes_in_the_middle_has_not_read_it(stand: Stand) -> None:
    task = stand.offer(LARGE, seconds=0.5)
    reader, writer = await stand.come()
    await reader.readexactly(1024)
    reset(writer)
    assert await outcome(task) is Reason.BOARD_TRANSPORT


async def test_a_board_that_goes_after_the_data_but_before_their_end_has_not_read_it(stand: Stand) -> None:
    task = stand.offer(seconds=0.5)
    reader, writer = await stand.come()
    await reader.readexactly(len(SOURCE))
    writer.close()
    assert await outcome(task) is Reason.BOARD_TRANSPORT


@pytest.mark.parametrize("leaves", [reset, asyncio.StreamWriter.close], ids=["reset", "close"])
async def test_a_port_scanner_that_comes_first_does_not_take_the_place_of_the_board(
    stand: Stand, leaves: Callable[[asyncio.StreamWriter], None]
) -> None:
    task = stand.offer()
    where = await stand.heard()
    _, scanner = await stand.connect(where)
    leaves(scanner)
    async with asyncio.timeout(PATIENCE):
        while await (await stand.connect(where))[0].read() != SOURCE:
            # Served one at a time: the scanner's going may not have been seen yet.
            stand.peers[-1].close()
    stand.peers[-1].close()
    assert await outcome(task) is None


async def test_a_client_that_speaks_is_no_board(stand: Stand) -> None:
    task = stand.offer(seconds=1.0)
    _, browser = await stand.come()
    browser.write(b"GET / HTTP/1.1\r\n\r\n")
    assert await outcome(task) is Reason.BOARD_TRANSPORT


async def test_only_the_first_is_served(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    task = stand.offer()
    where = await stand.heard()
    first_reader, first = await stand.connect(where)
    await first_reader.readexactly(1)
    for _ in range(3):
        reader, _ = await stand.connect(where)
        assert await reader.read() == b""
    assert await first_reader.read() == SOURCE[1:]
    first.close()
    assert await outcome(task) is None
    assert caplog.text.count("it is not the board that was asked") == 1


async def test_where_the_address_is_known_nobody_else_is_served(stand: Stand) -> None:
    task = stand.offer(address="192.0.2.7", seconds=0.3)
    reader, _ = await stand.come()
    assert await reader.read() == b""
    assert await outcome(task) is Reason.NEVER_FETCHED


async def test_the_next_port_is_taken_where_one_is_in_use(hass: HomeAssistant, socket_enabled: None) -> None:
    with socket.create_server((LOOPBACK, 0)) as used:
        first = used.getsockname()[1]
        stand = Stand(SocketOffers(hass), (first, min(first + 50, 65535)))
        task = stand.offer(seconds=0.05)
        assert (await stand.heard())[1] > first
        assert await outcome(task) is Reason.NEVER_FETCHED


async def test_without_a_free_port_nothing_is_said(hass: HomeAssistant, socket_enabled: None) -> None:
    with socket.create_server((LOOPBACK, 0)) as used:
        port = used.getsockname()[1]
        stand = Stand(SocketOffers(hass), (port, port))
        with pytest.raises(OtaError) as caught:
            await outcome(stand.offer())
    assert caught.value.reason is Reason.NO_PORT
    assert caught.value.placeholders == {"first": str(port), "last": str(port)}
    assert stand.said.empty()
    assert not stand.offers._open


@pytest.mark.parametrize(("address", "target"), [("192.0.2.7", "192.0.2.7"), ("", "8.8.8.8")])
async def test_its_own_address_is_the_one_towards_the_board_and_it_listens_there_alone(
    stand: Stand, port: int, monkeypatch: pytest.MonkeyPatch, address: str, target: str
) -> None:
    async def source(_hass: HomeAssistant, asked: str) -> str:
        assert asked == target
        return "127.0.0.2"

    monkeypatch.setattr(network, "async_get_source_ip", source)
    task = stand.offer(host="", address=address, seconds=0.05)
    assert await stand.heard() == ("127.0.0.2", port)
    await nobody_listens(port)
    assert await outcome(task) is Reason.NEVER_FETCHED


async def test_without_an_address_nothing_is_said(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(_hass: HomeAssistant, _target: str) -> str:
        raise HomeAssistantError("no adapter")

    monkeypatch.setattr(network, "async_get_source_ip", unknown)
    with pytest.raises(OtaError) as caught:
        await outcome(stand.offer(host=""))
    assert caught.value.reason is Reason.NO_ADDRESS
    assert not stand.offers._open


@pytest.mark.parametrize("comes", [False, True])
async def test_the_end_of_a_session_ends_its_listener_and_its_connection(stand: Stand, port: int, comes: bool) -> None:
    task = stand.offer(LARGE)
    where = await stand.heard()
    peer = await stand.connect(where) if comes else None
    if peer is not None:
        await peer[0].readexactly(1)
    stand.offers.close("another")
    stand.offers.close("one")
    stand.offers.close("one")
    with pytest.raises(asyncio.CancelledError):
        await outcome(task)
    await nobody_listens(port)
    if peer is not None:
        assert len(await peer[0].read()) < len(LARGE) - 1


async def test_a_second_offer_of_a_session_takes_the_place_of_the_first(stand: Stand) -> None:
    first = stand.offer(LARGE)
    await stand.heard()
    stand.ports = (stand.ports[0], min(stand.ports[0] + 50, 65535))
    second = stand.offer()
    reader, writer = await stand.come()
    assert await reader.read() == SOURCE
    writer.close()
    assert await outcome(second) is None
    with pytest.raises(asyncio.CancelledError):
        await outcome(first)


async def test_two_sessions_are_served_side_by_side(stand: Stand) -> None:
    stand.ports = (stand.ports[0], min(stand.ports[0] + 50, 65535))
    tasks = [stand.offer(session.encode() * 100, session=session) for session in ("one", "two")]
    places = [await stand.heard(), await stand.heard()]
    assert places[0] != places[1]
    for place, said in zip(places, (b"one", b"two"), strict=True):
        reader, writer = await stand.connect(place)
        assert await reader.read() == said * 100
        writer.close()
    assert [await outcome(task) for task in tasks] == [None, None]
