"""MicroPython boards that fetch files over TCP, from the card to the verdict, and their bad days."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
import socket
from typing import Any

import pytest

from custom_components.mqtt_ota import sessions
from custom_components.mqtt_ota.ota.bundle import Bundle, File, write_bundle
from custom_components.mqtt_ota.ota.dialects import Dialect
from custom_components.mqtt_ota.ota.dialects.registry import KINDS
from custom_components.mqtt_ota.ota.dialects.socket_pull import KIND, SocketPullDialect
from custom_components.mqtt_ota.ota.session import Session, State
from homeassistant.components import mqtt, network
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from tests.e2e.harness.ports import LOOPBACK
from tests.firmware_images import build_app
from tests.seeds.faults import Faults
from tests.seeds.settings import Settings
from tests.seeds.socket_pull import SocketPullBoard
from tests.seeds.uploaders import Ear, open_ear

from .house import House, a_house

ID = "24_0a_c4_11_22_33"
MEMBER = f"socket_pull:{ID}"
TOPIC = f"{ID}/OTA"
OLD = {"main.py": b"import old\n", "secrets.json": b"{}"}
FILES = {"lamp.py": b"x = 1\n" * 500, "net.py": b"y = 2\n" * 400, "main.py": b"import lamp\n" * 300}


@pytest.fixture
def listens() -> float:
    return 5.0


@pytest.fixture
def settings() -> dict[str, Any]:
    return {}


@pytest.fixture
async def house(
    hass: HomeAssistant,
    tmp_path: Path,
    settings: dict[str, Any],
    listens: float,
    socket_enabled: None,
    mock_hass_config: None,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[House]:
    def make(key: str, chosen: Mapping[str, Any]) -> Dialect:
        dialect = KIND.make(key, chosen)
        assert isinstance(dialect, SocketPullDialect)
        dialect._terms = replace(dialect._terms, listens=listens, restarts=0.5)
        return dialect

    monkeypatch.setitem(KINDS, KIND.name, replace(KIND, make=make))
    monkeypatch.setattr(mqtt.client, "RECONNECT_INTERVAL_SECONDS", 0.2)
    monkeypatch.setattr(sessions, "SETTLE", 0.1)
    monkeypatch.setattr(sessions, "BROKER_GONE", 0.1)
    dialect = {"dialect": KIND.name, "id": ID, "host": LOOPBACK} | settings
    async with a_house(hass, tmp_path, dialects=(dialect,), model="") as house:
        publish(house, FILES)
        await house.refresh()
        yield house


def publish(house: House, files: dict[str, bytes]) -> None:
    """Let the feed offer these files."""
    bundle = Bundle(version="1.1.0", project="", files=tuple(File(name=n, content=c) for n, c in files.items()))
    house.publish_releases({"version": "1.1.0", "image": write_bundle(bundle), "asset": {"chip": "MicroPython"}})


async def switch_on(house: House, faults: Faults | None = None, **options: Any) -> SocketPullBoard:
    """Give a board power and wait until it listens."""
    settings = Settings(host=house.broker.host, port=house.broker.port, client_id=ID)
    board = SocketPullBoard(settings, faults, files=dict(OLD), **options)
    house.boards.append(board)  # type: ignore[arg-type]
    board.start()
    await house.told(board, "connected")  # type: ignore[arg-type]
    return board


async def told(house: House, board: SocketPullBoard, event: str, **fields: Any) -> Any:
    return await house.told(board, event, **fields)  # type: ignore[arg-type]


def session_of(house: House) -> Session:
    session = house.members[MEMBER].session
    assert session is not None
    return session


async def refused(house: House) -> str:
    """Install, and return why it failed."""
    with pytest.raises(HomeAssistantError) as caught:
        await house.install(MEMBER)
    assert caught.value.translation_key is not None
    return caught.value.translation_key


async def begin(house: House) -> None:
    """Start an install and return when something was said."""
    data = {"entity_id": house.entity_id(MEMBER)}
    await house.hass.services.async_call("update", "install", data, blocking=False)
    await house.until(lambda: house.members[MEMBER].active_session is not None)


async def ended(house: House) -> Session:
    await house.until(lambda: not house.members[MEMBER].is_installing)
    return session_of(house)


@pytest.fixture
async def ear(house: House) -> AsyncIterator[Ear]:
    opened = open_ear(house.broker.port)
    yield await house.hass.async_add_executor_job(opened.__enter__)
    await house.hass.async_add_executor_job(opened.__exit__, None, None, None)


def is_listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((LOOPBACK, port)) == 0


def said(ear: Ear) -> list[list[str]]:
    """Return the fields of every command so far."""
    return [payload.decode().split("|") for payload in ear.heard(TOPIC)]


async def test_a_board_gets_every_file_and_restarts_once(house: House, ear: Ear) -> None:
    board = await switch_on(house)
    state = house.state(MEMBER)
    assert (state.state, state.attributes["installed_version"], state.attributes["latest_version"]) == (
        "on",
        "unknown",
        "1.1.0",
    )
    await house.install(MEMBER)
    assert board.files == OLD | FILES
    assert (board.boots, board.runs_files) == (2, OLD | FILES)
    assert [(fields[0], fields[2], fields[4]) for fields in said(ear)] == [
        (LOOPBACK, "lamp.py", "0"),
        (LOOPBACK, "net.py", "0"),
        (LOOPBACK, "main.py", "1"),
    ]
    state = house.state(MEMBER)
    assert (state.state, state.attributes["installed_version"]) == ("off", "1.1.0")
    assert state.attributes["install_state"] == "unverified"
    assert state.attributes["version_source"] == "installed_from_here"
    assert "nobody saw whether it starts" in state.attributes["release_summary"]


@pytest.mark.parametrize("settings", [{"reboot_field": False}])
async def test_an_older_board_is_waited_for_after_each_file(house: House, ear: Ear) -> None:
    board = await switch_on(house, knows_reboot=False, piece_size=536)
    await house.install(MEMBER)
    assert board.files == OLD | FILES
    assert board.boots == 1 + len(FILES)
    assert {len(fields) for fields in said(ear)} == {4}
    assert session_of(house).state is State.UNVERIFIED


async def test_no_command_is_retained_or_more_than_qos_0(house: House, ear: Ear) -> None:
    await switch_on(house)
    await house.install(MEMBER)
    commands = [one for one in ear.events.told if one.get("topic") == TOPIC]
    assert [(one["qos"], one["retain"]) for one in commands] == [(0, False)] * len(FILES)


@pytest.mark.parametrize("listens", [0.3])
async def test_a_board_that_is_off_is_told_three_times_and_nothing_is_claimed(house: House, ear: Ear) -> None:
    assert await refused(house) == "install_never_fetched"
    assert [fields[2] for fields in said(ear)] == ["lamp.py"] * 3
    assert not any(is_listening(int(fields[1])) for fields in said(ear))
    assert house.state(MEMBER).attributes["installed_version"] == "unknown"


@pytest.mark.parametrize("listens", [0.5])
async def test_a_board_that_comes_late_is_told_again(house: House, ear: Ear) -> None:
    await begin(house)
    await house.until(lambda: len(said(ear)) == 1)
    board = await switch_on(house)
    assert (await ended(house)).state is State.UNVERIFIED
    assert board.files == OLD | FILES


@pytest.mark.parametrize("listens", [0.5])
async def test_a_board_whose_power_goes_in_the_middle_is_told_again_when_it_is_back(house: House) -> None:
    board = await switch_on(house, Faults(power_cut=4000))
    await house.install(MEMBER)
    assert any(event.get("cause") == "power_cut" for event in board.events.told)
    assert board.files == OLD | FILES


@pytest.mark.parametrize("listens", [0.5])
async def test_a_half_delivered_release_is_told_as_what_it_is(house: House) -> None:
    board = await switch_on(house, Faults(silent_at=1))
    assert await refused(house) == "install_half_delivered"
    assert session_of(house).detail == "2/3: net.py"
    assert board.files == OLD | {"lamp.py": FILES["lamp.py"]}
    assert (board.boots, board.runs_files) == (1, OLD)


@pytest.mark.parametrize("faults", [Faults(comes_back_old=True), Faults(never_comes_back=True)], ids=["old", "never"])
async def test_what_becomes_of_the_board_after_the_last_file_is_not_claimed_to_be_known(
    house: House, faults: Faults
) -> None:
    await switch_on(house, faults)
    await house.install(MEMBER)
    session = session_of(house)
    assert (session.state, session.detail, session.verified) == (State.UNVERIFIED, "fetched_all", False)


async def test_the_install_after_a_half_delivered_one_brings_all(house: House) -> None:
    board = await switch_on(house)
    await begin(house)
    await told(house, board, "stored", filename="lamp.py")
    house.entry.runtime_data.sessions.async_cancel(house.members[MEMBER])
    assert session_of(house).state is State.CANCELLED
    await house.install(MEMBER)
    assert board.runs_files == OLD | FILES


@pytest.mark.parametrize("listens", [0.5])
async def test_a_broker_that_restarts_half_way_costs_time_and_nothing_else(house: House) -> None:
    board = await switch_on(house)
    await begin(house)
    await told(house, board, "stored", filename="lamp.py")
    await house.hass.async_add_executor_job(house.broker.stop)
    await house.until(lambda: not house.entry.runtime_data.sessions.is_connected)
    await house.hass.async_add_executor_job(house.broker.start)
    assert (await ended(house)).state is State.UNVERIFIED
    assert board.files == OLD | FILES


async def test_a_restart_of_home_assistant_half_way_goes_on_with_the_same_file(house: House, ear: Ear) -> None:
    board = await switch_on(house)
    await begin(house)
    await told(house, board, "stored", filename="lamp.py")
    await house.until(lambda: session_of(house).memo["at"] == 1)
    await house.reload()
    assert (await ended(house)).state is State.UNVERIFIED
    assert board.files == OLD | FILES
    names = [fields[2] for fields in said(ear)]
    assert names.count("lamp.py") == names.count("main.py") == 1


async def test_a_restart_of_home_assistant_after_the_last_file_offers_nothing_again(house: House, ear: Ear) -> None:
    board = await switch_on(house)
    await begin(house)
    await told(house, board, "stored", filename="main.py")
    await house.until(lambda: session_of(house).state is State.REBOOTING)
    await house.reload()
    assert (await ended(house)).state is State.UNVERIFIED
    assert len(said(ear)) == len(FILES)
    assert board.flashes == 1


async def test_a_command_that_is_repeated_by_somebody_costs_a_restart_and_no_file(house: House, ear: Ear) -> None:
    board = await switch_on(house)
    await house.install(MEMBER)
    again = ear.heard(TOPIC)[0]
    await house.hass.async_add_executor_job(ear.publish, TOPIC, again)
    # Nobody listens there any more.
    await told(house, board, "powerless", cause="exception")
    assert {name: board.files[name] for name in FILES} == FILES


async def test_a_command_that_somebody_left_is_found_and_moves_nothing(house: House, ear: Ear) -> None:
    left = f"{LOOPBACK}|1|main.py|{'0' * 40}"
    leave = lambda payload: ear.publish(TOPIC, payload, 1, retain=True)  # noqa: E731
    await house.hass.async_add_executor_job(leave, left)
    # It was news to whoever listened then: the next start finds it.
    assert house.entry.runtime_data.fleet.leftovers == {}
    await house.reload()
    await house.until(lambda: house.entry.runtime_data.fleet.leftovers == {TOPIC: MEMBER})
    assert house.members[MEMBER].session is None
    await house.hass.async_add_executor_job(leave, b"")
    await house.until(lambda: house.entry.runtime_data.fleet.leftovers == {})


@pytest.mark.parametrize("listens", [0.3])
@pytest.mark.parametrize("settings", [{"address": "192.0.2.7"}])
async def test_nobody_but_the_board_is_given_its_files(house: House) -> None:
    board = await switch_on(house)
    assert await refused(house) == "install_never_fetched"
    # It was given nothing, which its digest tells it.
    assert board.files == OLD | {"tmp": b""}


async def test_a_cancelled_update_listens_no_more(house: House, ear: Ear) -> None:
    await begin(house)
    await house.until(lambda: len(said(ear)) == 1)
    port = int(said(ear)[0][1])
    house.entry.runtime_data.sessions.async_cancel(house.members[MEMBER])
    await house.until(lambda: not is_listening(port))
    assert session_of(house).state is State.CANCELLED


async def test_nothing_listens_once_the_integration_is_unloaded(house: House, ear: Ear) -> None:
    await begin(house)
    await house.until(lambda: len(said(ear)) == 1)
    assert await house.hass.config_entries.async_unload(house.entry.entry_id)
    assert not is_listening(int(said(ear)[0][1]))
    assert await house.hass.config_entries.async_setup(house.entry.entry_id)


async def test_without_a_free_port_the_reason_is_named(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_args: Any, **_options: Any) -> asyncio.Server:
        raise OSError

    monkeypatch.setattr(asyncio, "start_server", refuse)
    assert await refused(house) == "install_no_port"


@pytest.mark.parametrize("settings", [{"host": ""}])
async def test_without_an_address_of_its_own_the_reason_is_named(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_args: Any) -> str:
        raise HomeAssistantError("no adapter")

    monkeypatch.setattr(network, "async_get_source_ip", unknown)
    assert await refused(house) == "install_no_address"


async def test_firmware_for_a_chip_is_not_for_these_boards(house: House, ear: Ear) -> None:
    house.publish_releases({"version": "2.0.0", "image": build_app(version="2.0.0")})
    await house.refresh()
    assert await refused(house) == "wrong_chip"
    assert said(ear) == []
