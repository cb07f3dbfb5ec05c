"""Boards that take a whole image in one message, from the card to the verdict, and their bad days."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from custom_components.mqtt_ota import sessions
from custom_components.mqtt_ota.broker import Broker
from custom_components.mqtt_ota.ota.dialects import Dialect, single_message
from custom_components.mqtt_ota.ota.dialects.registry import KINDS
from custom_components.mqtt_ota.ota.dialects.single_message import KIND, SingleMessageDialect
from custom_components.mqtt_ota.ota.session import Session, State
from homeassistant.components import mqtt
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from tests.firmware_images import build_app, build_esp8266
from tests.seeds.faults import Faults
from tests.seeds.settings import Settings
from tests.seeds.single_message import SingleMessageBoard
from tests.seeds.uploaders import Ear, open_ear, varint

from .house import House, a_house

TOPIC = "a/test/u/1.0"
MEMBER = "single_message:shed"
OLD = build_app(version="1.0.0", size=8 * 1024, seed=1)
NEW = build_app(version="1.0.3", size=200 * 1024, seed=2)


@pytest.fixture
def settles() -> float:
    return 0.5


@pytest.fixture
def settings() -> tuple[dict[str, Any], ...]:
    """Return the settings of each protocol that is set up."""
    return ({"id": "shed"},)


@pytest.fixture
async def house(
    hass: HomeAssistant,
    tmp_path: Path,
    settings: tuple[dict[str, Any], ...],
    settles: float,
    socket_enabled: None,
    mock_hass_config: None,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[House]:
    def make(key: str, chosen: Mapping[str, Any]) -> Dialect:
        dialect = KIND.make(key, chosen)
        assert isinstance(dialect, SingleMessageDialect)
        dialect._terms = replace(dialect._terms, settles=settles)
        return dialect

    monkeypatch.setitem(KINDS, KIND.name, replace(KIND, make=make))
    monkeypatch.setattr(single_message, "PASSED_ON", 5.0)
    monkeypatch.setattr(mqtt.client, "RECONNECT_INTERVAL_SECONDS", 0.2)
    monkeypatch.setattr(sessions, "SETTLE", 0.1)
    monkeypatch.setattr(sessions, "BROKER_GONE", 0.1)
    usual = {"dialect": KIND.name, "app_id": "test", "series": "1.0", "chip": "ESP32-S3"}
    async with a_house(hass, tmp_path, dialects=tuple(usual | one for one in settings), model="") as house:
        await publish(house, "1.0.3")
        yield house


@pytest.fixture
async def ear(house: House) -> AsyncIterator[Ear]:
    opened = open_ear(house.broker.port)
    yield await house.hass.async_add_executor_job(opened.__enter__)
    await house.hass.async_add_executor_job(opened.__exit__, None, None, None)


async def publish(house: House, *versions: str, image: bytes = NEW) -> None:
    """Let the feed offer versions."""
    house.publish_releases(*({"version": version, "image": image} for version in versions))
    await house.refresh()


async def switch_on(
    house: House, client_id: str = "sming-1", faults: Faults | None = None, *, image: bytes = OLD, **options: Any
) -> SingleMessageBoard:
    """Give a board power and wait until it listens."""
    settings = Settings(host=house.broker.host, port=house.broker.port, client_id=client_id, image=image)
    board = SingleMessageBoard(settings, faults, **options)
    house.boards.append(board)  # type: ignore[arg-type]
    board.start()
    await told(house, board, "connected")
    return board


async def told(house: House, board: SingleMessageBoard, event: str, **fields: Any) -> Any:
    return await house.told(board, event, **fields)  # type: ignore[arg-type]


async def say(house: House, ear: Ear, payload: bytes, qos: int = 2, *, retain: bool = False) -> None:
    """Speak as the original's deployer does."""
    await house.hass.async_add_executor_job(lambda: ear.publish(TOPIC, payload, qos, retain=retain))


def session_of(house: House, member: str = MEMBER) -> Session:
    session = house.members[member].session
    assert session is not None
    return session


async def refused(house: House, **data: Any) -> str:
    """Install, and return why it failed."""
    with pytest.raises(HomeAssistantError) as caught:
        await house.install(MEMBER, **data)
    assert caught.value.translation_key is not None
    return caught.value.translation_key


async def begin(house: House) -> None:
    """Start an install."""
    data = {"entity_id": house.entity_id(MEMBER)}
    await house.hass.services.async_call("update", "install", data, blocking=False)
    await house.until(lambda: house.members[MEMBER].active_session is not None)


async def ended(house: House) -> Session:
    await house.until(lambda: not house.members[MEMBER].is_installing)
    return session_of(house)


async def test_a_board_is_sent_one_message_and_no_more_is_claimed(house: House, ear: Ear) -> None:
    board = await switch_on(house)
    state = house.state(MEMBER)
    assert (state.state, state.attributes["installed_version"], state.attributes["latest_version"]) == (
        "on",
        "unknown",
        "1.0.3",
    )
    assert TOPIC in state.attributes["release_summary"]
    await house.install(MEMBER)
    await told(house, board, "powerless", cause="update")
    assert (board.runs, board.version) == (NEW, "1.0.3")
    assert ear.heard(TOPIC) == [b"\x03" + NEW]
    (sent,) = [one for one in ear.events.told if one.get("topic") == TOPIC]
    assert (sent["qos"], sent["retain"]) == (0, False)
    state = house.state(MEMBER)
    assert (state.state, state.attributes["installed_version"]) == ("off", "1.0.3")
    assert state.attributes["install_state"] == "unverified"
    assert "was sent; nobody saw whether it was taken." in state.attributes["release_summary"]


async def test_all_boards_on_the_topic_take_the_one_message(house: House, ear: Ear) -> None:
    boards = [await switch_on(house, f"sming-{number}") for number in (1, 2)]
    await house.install(MEMBER)
    for board in boards:
        await told(house, board, "powerless", cause="update")
        assert (board.runs, board.flashes) == (NEW, 1)
    assert len(ear.heard(TOPIC)) == 1


@pytest.mark.parametrize("settings", [({"id": "shed"}, {"id": "attic"})])
async def test_two_cards_on_one_topic_share_one_message(house: House, ear: Ear) -> None:
    boards = [await switch_on(house, f"sming-{number}") for number in (1, 2)]
    members = (MEMBER, "single_message:attic")
    targets = {"entity_id": [house.entity_id(member) for member in members]}
    async with asyncio.timeout(30):
        await house.hass.services.async_call("update", "install", targets, blocking=True)
    for board, member in zip(boards, members, strict=True):
        await told(house, board, "powerless", cause="update")
        assert (board.runs, board.flashes) == (NEW, 1)
        assert session_of(house, member).state is State.UNVERIFIED
    assert len(ear.heard(TOPIC)) == 1


async def test_a_board_that_is_off_misses_it_and_nobody_can_know(house: House, ear: Ear) -> None:
    await house.install(MEMBER)
    assert session_of(house).detail == "sent_only"
    board = await switch_on(house)
    # Nothing was left for it on the broker.
    await say(house, ear, varint(0) + OLD)
    assert (await told(house, board, "command"))["patch"] == 0


async def test_a_board_whose_power_goes_in_the_middle_keeps_the_old_one_and_the_next_install_brings_it(
    house: House,
) -> None:
    board = await switch_on(house, faults=Faults(power_cut=3000))
    await house.install(MEMBER)
    await told(house, board, "powerless", cause="power_cut")
    await told(house, board, "connected")
    assert (board.runs, board.flashes) == (OLD, 0)
    # The card says that it was sent and not that it was taken, so it can be asked for again.
    await house.install(MEMBER, version="1.0.3")
    await told(house, board, "powerless", cause="update")
    assert board.runs == NEW


async def test_an_older_patch_than_what_was_installed_is_not_sent_because_boards_skip_it(
    house: House, ear: Ear
) -> None:
    board = await switch_on(house)
    await house.install(MEMBER)
    await told(house, board, "powerless", cause="update")
    await publish(house, "1.0.2", "1.0.3")
    assert await refused(house, version="1.0.2") == "patch_too_low"
    assert len(ear.heard(TOPIC)) == 1


async def test_only_the_series_that_the_boards_run_is_offered(house: House, ear: Ear) -> None:
    await publish(house, "1.0.4", "1.1.0", "2.0.0")
    assert house.state(MEMBER).attributes["latest_version"] == "1.0.4"
    assert await refused(house, version="1.1.0") == "other_series"
    assert ear.heard(TOPIC) == []


@pytest.mark.parametrize(
    ("version", "reason"),
    [("1.0.128", "patch_too_high"), ("1.0.300", "patch_too_high"), ("1.0.4-rc1", "not_one_number")],
)
async def test_a_version_that_the_boards_would_read_wrongly_is_not_sent(
    house: House, ear: Ear, version: str, reason: str
) -> None:
    await publish(house, version)
    assert await refused(house) == reason
    assert ear.heard(TOPIC) == []


@pytest.mark.parametrize("settings", [({"id": "shed", "patch": "byte"},)])
async def test_the_oldest_form_takes_a_byte(house: House) -> None:
    image = build_app(version="1.0.200")
    await publish(house, "1.0.200", image=image)
    board = await switch_on(house, varint=False)
    await house.install(MEMBER)
    await told(house, board, "powerless", cause="update")
    assert board.version == "1.0.200"


@pytest.mark.parametrize("settings", [({"id": "shed", "chip": "ESP8266"},)])
async def test_an_esp8266_is_never_sent_what_it_cannot_start(house: House, ear: Ear) -> None:
    board = await switch_on(house, image=build_esp8266(4096), checks_image=False)
    assert await refused(house) == "wrong_chip"
    image = build_esp8266(form="v2")
    await publish(house, "1.0.7", image=image)
    await house.install(MEMBER)
    await told(house, board, "powerless", cause="update")
    assert (board.runs, board.version) == (image, "1.0.7")
    assert len(ear.heard(TOPIC)) == 1


@pytest.mark.parametrize("settings", [({"id": "shed", "largest": 100_000},)])
async def test_a_message_that_a_broker_may_not_take_never_leaves(house: House, ear: Ear) -> None:
    assert await refused(house) == "message_too_large"
    assert ear.heard(TOPIC) == []
    assert mqtt.is_connected(house.hass)


async def test_a_broker_that_takes_less_than_was_set_costs_one_connection_and_not_home_assistant_s_mqtt(
    house: House,
) -> None:
    await house.hass.async_add_executor_job(house.broker.stop)
    house.broker.settings = ("max_packet_size 50000",)
    await house.hass.async_add_executor_job(house.broker.start)
    await house.until(lambda: mqtt.is_connected(house.hass))
    board = await switch_on(house)
    assert await refused(house) == "install_not_passed_on"
    await house.until(lambda: mqtt.is_connected(house.hass))
    # It is not sent again at the next connection: what is small gets through.
    await mqtt.async_publish(house.hass, TOPIC, b"\x00small", 1)
    assert (await told(house, board, "command"))["size"] == 5
    assert board.runs == OLD


async def test_a_broker_that_is_gone_when_the_message_leaves_is_no_update(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = await switch_on(house)
    published = Broker.async_publish
    gone = asyncio.Event()

    async def lose(broker: Broker, *args: Any, **options: Any) -> None:
        await house.hass.async_add_executor_job(house.broker.stop)
        gone.set()
        await published(broker, *args, **options)

    monkeypatch.setattr(Broker, "async_publish", lose)
    await begin(house)
    async with asyncio.timeout(30):
        await gone.wait()
    await house.until(lambda: not mqtt.is_connected(house.hass))
    monkeypatch.setattr(Broker, "async_publish", published)
    await house.hass.async_add_executor_job(house.broker.start)
    session = await ended(house)
    assert (session.state, session.reason) == (State.FAILED, "not_passed_on")
    await told(house, board, "connected")
    assert (board.runs, house.members[MEMBER].version) == (OLD, "")
    await house.install(MEMBER)
    await told(house, board, "powerless", cause="update")


async def test_nothing_leaves_while_the_broker_is_gone(house: House) -> None:
    await house.hass.async_add_executor_job(house.broker.stop)
    await house.until(lambda: not mqtt.is_connected(house.hass))
    await begin(house)
    assert session_of(house).state is State.QUEUED
    await house.hass.async_add_executor_job(house.broker.start)
    assert (await ended(house)).state is State.UNVERIFIED


@pytest.mark.parametrize("settles", [20.0])
async def test_a_restart_of_home_assistant_before_the_verdict_sends_nothing_again(house: House, ear: Ear) -> None:
    board = await switch_on(house)
    await begin(house)
    await house.until(lambda: session_of(house).state is State.REBOOTING)
    await house.reload()
    assert (await ended(house)).state is State.UNVERIFIED
    assert len(ear.heard(TOPIC)) == 1
    assert board.flashes == 1


async def test_an_image_that_another_tool_left_is_found_and_cleared_only_when_asked(house: House, ear: Ear) -> None:
    board = await switch_on(house)
    # The patch is not what the ROM says: the board flashes it at every reconnect.
    await say(house, ear, varint(9) + build_app(version="1.0.1", size=4096), retain=True)
    await told(house, board, "powerless", cause="update")
    await house.reload()
    leftovers = house.entry.runtime_data.fleet.leftovers
    await house.until(lambda: leftovers == {TOPIC: MEMBER})
    assert house.members[MEMBER].session is None
    await told(house, board, "powerless", cause="update")
    house.entry.runtime_data.sessions.delivery.async_clear(TOPIC)
    await house.until(lambda: leftovers == {})


async def test_what_another_tool_sends_meanwhile_moves_nothing(
    house: House, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lose(_broker: Broker, *_args: Any, **_options: Any) -> None:
        """Let the broker swallow it."""

    monkeypatch.setattr(Broker, "async_publish", lose)
    await begin(house)
    await say(house, ear, b"\x03" + OLD)
    session = await ended(house)
    assert (session.state, session.reason) == (State.FAILED, "not_passed_on")
