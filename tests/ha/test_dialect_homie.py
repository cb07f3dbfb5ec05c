"""Boards with Homie, from the card to the verdict, and their bad days."""

from collections.abc import AsyncIterator
from functools import partial
import hashlib
from pathlib import Path
from typing import Any

import pytest

from custom_components.mqtt_ota import sessions
from custom_components.mqtt_ota.ota import session as session_module
from custom_components.mqtt_ota.ota.board import Availability
from custom_components.mqtt_ota.ota.dialects import homie
from custom_components.mqtt_ota.ota.session import Session, State
from custom_components.mqtt_ota.ota.state import PATIENCE
from homeassistant.components import mqtt
from homeassistant.components.mqtt import client
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from tests.firmware_images import build_app, build_esp8266
from tests.seeds.faults import Faults
from tests.seeds.homie import HomieBoard
from tests.seeds.settings import Settings
from tests.seeds.uploaders import Ear, open_ear

from .house import House, a_house

MEMBER = "homie:hall"
OLD = build_esp8266(40_000, form="arduino")
NEW = build_esp8266(60_000, form="arduino")
VERSIONS = {OLD: "1.0.0", NEW: "1.1.0"}
MD5 = hashlib.md5(NEW, usedforsecurity=False).hexdigest()
TOPIC = f"homie/hall/$implementation/ota/firmware/{MD5}"


@pytest.fixture
def settings() -> dict[str, Any]:
    return {}


@pytest.fixture
async def house(
    hass: HomeAssistant,
    tmp_path: Path,
    settings: dict[str, Any],
    socket_enabled: None,
    mock_hass_config: None,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[House]:
    monkeypatch.setattr(homie, "COMES_IN", 1.0)
    for state in (State.TRANSFERRING, State.REBOOTING):
        monkeypatch.setitem(PATIENCE, state, 1.5)
    monkeypatch.setattr(session_module, "DOUBT", 0.5)
    monkeypatch.setattr(client, "RECONNECT_INTERVAL_SECONDS", 1)
    monkeypatch.setattr(sessions, "SETTLE", 0.1)
    monkeypatch.setattr(sessions, "BROKER_GONE", 0.1)
    async with a_house(hass, tmp_path, dialects=({"dialect": "homie"} | settings,), model="lamp") as house:
        house.publish_releases({"version": "1.1.0", "image": NEW})
        await house.refresh()
        yield house


@pytest.fixture
async def ear(house: House) -> AsyncIterator[Ear]:
    opened = open_ear(house.broker.port)
    yield await house.hass.async_add_executor_job(opened.__enter__)
    await house.hass.async_add_executor_job(opened.__exit__, None, None, None)


async def switch_on(
    house: House, faults: Faults | None = None, *, client_id: str = "hall", image: bytes = OLD, **options: Any
) -> HomieBoard:
    """Give a board power and wait until all is known of it."""
    settings = Settings(host=house.broker.host, port=house.broker.port, client_id=client_id, image=image)
    board = HomieBoard(settings, faults, **({"versions": VERSIONS} | options))
    house.boards.append(board)  # type: ignore[arg-type]
    board.start()
    await told(house, board, "connected")
    await house.until(lambda: is_there(house, f"homie:{client_id}"))
    return board


def is_there(house: House, member: str = MEMBER) -> bool:
    return member in house.members and house.members[member].availability is Availability.ONLINE


async def told(house: House, board: HomieBoard, event: str, **fields: Any) -> Any:
    return await house.told(board, event, **fields)  # type: ignore[arg-type]


def session_of(house: House, member: str = MEMBER) -> Session:
    session = house.members[member].session
    assert session is not None
    return session


async def refused(house: House) -> str:
    """Install, and return why it failed."""
    with pytest.raises(HomeAssistantError) as caught:
        await house.install(MEMBER)
    assert caught.value.translation_key is not None
    return caught.value.translation_key


async def begin(house: House) -> None:
    data = {"entity_id": house.entity_id(MEMBER)}
    await house.hass.services.async_call("update", "install", data, blocking=False)
    await house.until(lambda: house.members[MEMBER].active_session is not None)


async def ended(house: House) -> Session:
    await house.until(lambda: not house.members[MEMBER].is_installing)
    return session_of(house)


@pytest.mark.parametrize("convention", [2, 3])
async def test_a_board_is_found_by_what_is_retained_and_says_itself_that_it_runs_the_new_version(
    house: House, ear: Ear, convention: int
) -> None:
    board = await switch_on(house, convention=convention)
    member = house.members[MEMBER]
    assert (member.board.name, member.board.model, member.board.chip) == ("Hall lamp", "lamp", "ESP8266")
    assert (member.board.mac, member.board.address) == ("5c:cf:7f:00:00:01", "192.168.0.10")
    state = house.state(MEMBER)
    assert (state.state, state.attributes["installed_version"], state.attributes["latest_version"]) == (
        "on",
        "1.0.0",
        "1.1.0",
    )
    await house.install(MEMBER)
    assert (board.runs, board.version) == (NEW, "1.1.0")
    assert (session_of(house).state, session_of(house).verified) == (State.CONFIRMED, True)
    state = house.state(MEMBER)
    assert (state.state, state.attributes["installed_version"]) == ("off", "1.1.0")
    (sent,) = [one for one in ear.events.told if one.get("topic") == TOPIC]
    assert (sent["payload"], sent["qos"], sent["retain"]) == (NEW, 0, False)


async def test_the_card_shows_how_much_the_board_has_written(house: House) -> None:
    await switch_on(house, Faults(slow=0.06))
    await begin(house)
    await house.state_is(lambda state: 20 < (state.attributes["update_percentage"] or 0) < 100, MEMBER)
    assert (await ended(house)).state is State.CONFIRMED


@pytest.mark.parametrize("settings", [{"base64": True, "base": "home/homie"}])
async def test_a_board_that_takes_text_is_sent_base64_below_another_base_topic(house: House) -> None:
    board = await switch_on(house, base="home/homie")
    await house.install(MEMBER)
    assert board.runs == NEW
    assert session_of(house).state is State.CONFIRMED


async def test_an_esp32_takes_images_for_its_own_chip_alone(house: House) -> None:
    old, new = build_app("ESP32", version="1.0.0", size=8192), build_app("ESP32", version="1.1.0", size=9216)
    board = await switch_on(house, image=old, implementation="esp32", convention=3)
    assert await refused(house) == "wrong_chip"
    house.publish_releases({"version": "1.1.0", "image": new})
    await house.refresh()
    await house.install(MEMBER)
    assert (board.runs, session_of(house).state) == (new, State.CONFIRMED)


async def test_an_esp8266_is_never_sent_an_image_for_another_chip(house: House, ear: Ear) -> None:
    await switch_on(house)
    house.publish_releases({"version": "1.1.0", "image": build_app("ESP32", version="1.1.0")})
    await house.refresh()
    assert await refused(house) == "wrong_chip"
    assert ear.heard(TOPIC) == []


@pytest.mark.parametrize("settings", [{"largest": 50_000}])
async def test_a_message_that_a_broker_may_not_take_never_leaves(house: House, ear: Ear) -> None:
    await switch_on(house)
    assert await refused(house) == "message_too_large"
    assert ear.heard(TOPIC) == []
    assert mqtt.is_connected(house.hass)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("304", "already_installed"),
        ("403", "board_refused"),
        ("400 BAD_FIRMWARE", "board_image"),
        ("400 BAD_CHECKSUM", "board_digest"),
        ("400 NOT_ENOUGH_SPACE", "board_refused"),
        ("500 FLASH_ERROR", "board_flash"),
        ("500 INTERNAL_ERROR 0", "stuck"),
        ("500 INTERNAL_ERROR 7", "board_failed"),
    ],
)
async def test_each_refusal_ends_the_update_and_says_why(house: House, word: str, reason: str) -> None:
    await switch_on(house, Faults(answer_at=(0, word)))
    assert await refused(house) == f"install_{reason}"
    assert word[:3] in session_of(house).detail
    # The retained refusal is yesterday's news for the next one.
    await house.reload()
    await house.until(lambda: is_there(house))
    await house.install(MEMBER)
    assert session_of(house).state is State.CONFIRMED


async def test_a_board_whose_updates_are_switched_off_is_not_shown(house: House) -> None:
    settings = Settings(host=house.broker.host, port=house.broker.port, client_id="hall", image=OLD)
    board = HomieBoard(settings, versions=VERSIONS, enabled=False)
    house.boards.append(board)  # type: ignore[arg-type]
    board.start()
    await told(house, board, "connected")
    await switch_on(house, client_id="attic")
    assert set(house.members) == {"homie:attic"}


async def test_a_board_whose_updates_are_switched_off_later_is_sent_nothing(house: House, ear: Ear) -> None:
    board = await switch_on(house)
    await house.hass.async_add_executor_job(partial(board.say, "$implementation/ota/enabled", "false"))
    await house.until(lambda: not house.members[MEMBER].board.transports)
    assert await refused(house) == "no_transport"
    assert ear.heard(TOPIC) == []


async def test_two_boards_are_told_apart(house: House) -> None:
    hall, attic = await switch_on(house), await switch_on(house, client_id="attic")
    await house.install("homie:attic")
    assert (hall.runs, attic.runs) == (OLD, NEW)
    assert house.members[MEMBER].session is None


async def test_a_sleeper_gets_its_update_when_it_wakes(house: House) -> None:
    board = await switch_on(house, convention=3)
    await house.hass.async_add_executor_job(partial(board.say, "$state", "sleeping"))
    await house.until(lambda: house.members[MEMBER].availability is Availability.ASLEEP)
    await begin(house)
    await house.until(lambda: session_of(house).state is State.WAITING)
    await house.hass.async_add_executor_job(partial(board.say, "$state", "ready"))
    assert (await ended(house)).state is State.CONFIRMED


# Bad days


async def test_a_board_that_does_not_hear_the_message_is_given_up(house: House) -> None:
    await switch_on(house, Faults(silent_at=0))
    assert await refused(house) == "install_no_answer"


async def test_a_board_that_falls_silent_in_the_middle_stalls(house: House) -> None:
    board = await switch_on(house, Faults(slow=0.02), breaks_at=20_000)
    await begin(house)
    await told(house, board, "disconnected")
    session = await ended(house)
    assert (session.state, session.reason) == (State.FAILED, "stalled")
    # Its slot is open still, and nothing but a restart closes it.
    await told(house, board, "connected")
    await house.until(lambda: is_there(house))
    assert await refused(house) == "install_stuck"
    await house.hass.async_add_executor_job(board.power_cycle)
    await told(house, board, "started", boots=2)
    await told(house, board, "connected")
    await house.install(MEMBER)
    assert (await ended(house)).state is State.CONFIRMED


async def test_a_board_that_lost_power_in_the_middle_stalls_and_takes_the_next_one(house: House) -> None:
    board = await switch_on(house, Faults(power_cut=20_000))
    assert await refused(house) == "install_stalled"
    assert board.runs == OLD
    await told(house, board, "connected")
    await house.until(lambda: is_there(house))
    await house.install(MEMBER)
    assert (await ended(house)).state is State.CONFIRMED


async def test_words_that_come_twice_move_nothing_twice(house: House) -> None:
    await switch_on(house, Faults(repeat_answer=3))
    await house.install(MEMBER)
    assert session_of(house).state is State.CONFIRMED


@pytest.mark.parametrize("lost", [0, 42])
async def test_words_that_are_lost_do_not_matter_where_the_digest_tells(house: House, lost: int) -> None:
    await switch_on(house, Faults(lose_answer=lost))
    await house.install(MEMBER)
    assert session_of(house).state is State.CONFIRMED


async def test_a_board_that_never_comes_back_is_told_of(house: House) -> None:
    await switch_on(house, Faults(never_comes_back=True))
    assert await refused(house) == "install_never_returned"


async def test_a_board_that_comes_back_with_the_old_digest_was_rolled_back(house: House) -> None:
    await switch_on(house, Faults(comes_back_old=True))
    assert await refused(house) == "install_rolled_back"
    assert house.state(MEMBER).attributes["installed_version"] == "1.0.0"


async def test_an_image_that_the_board_adapted_to_its_flash_is_known_by_its_version_only(house: House) -> None:
    board = await switch_on(house, adapts_header=True)
    await house.install(MEMBER)
    assert board.runs != NEW
    assert (session_of(house).state, session_of(house).verified) == (State.UNVERIFIED, False)
    assert house.state(MEMBER).attributes["installed_version"] == "1.1.0"


async def test_a_success_that_is_retained_from_yesterday_is_no_progress(house: House, ear: Ear) -> None:
    status = "homie/hall/$implementation/ota/status"
    await house.hass.async_add_executor_job(partial(ear.publish, status, "200", 1, retain=True))
    await house.reload()
    await switch_on(house, Faults(silent_at=0))
    assert await refused(house) == "install_no_answer"


async def test_an_image_that_another_tool_left_is_found_and_cleared_only_when_asked(house: House, ear: Ear) -> None:
    await switch_on(house)
    other = "homie/hall/$implementation/ota/firmware/0123456789abcdef0123456789abcdef"
    await house.hass.async_add_executor_job(partial(ear.publish, other, b"\xe9old", 1, retain=True))
    await house.reload()
    leftovers = house.entry.runtime_data.fleet.leftovers
    await house.until(lambda: leftovers == {other: MEMBER})
    house.entry.runtime_data.sessions.delivery.async_clear(other)
    await house.until(lambda: leftovers == {})


async def test_a_broker_that_takes_less_than_was_set_costs_one_connection_and_not_home_assistant_s_mqtt(
    house: House,
) -> None:
    await house.hass.async_add_executor_job(house.broker.stop)
    house.broker.settings = ("max_packet_size 30000",)
    await house.hass.async_add_executor_job(house.broker.start)
    await house.until(lambda: mqtt.is_connected(house.hass))
    await switch_on(house)
    assert await refused(house) == "install_not_passed_on"
    await house.until(lambda: mqtt.is_connected(house.hass))


async def test_a_restart_of_the_broker_half_way_is_no_update_and_the_next_one_works(house: House) -> None:
    board = await switch_on(house, Faults(slow=0.02))
    await begin(house)
    await told(house, board, "said", text="202")
    await house.hass.async_add_executor_job(house.broker.stop)
    await house.until(lambda: not mqtt.is_connected(house.hass))
    await house.hass.async_add_executor_job(house.broker.start)
    session = await ended(house)
    # It had the whole message already, so that it ended what it had begun; else it lost the rest.
    assert session.state in {State.CONFIRMED, State.FAILED}
    await told(house, board, "powerless", cause="update")
    await house.until(lambda: session_of(house).state is State.CONFIRMED)


async def test_a_restart_of_home_assistant_half_way_is_taken_up(house: House, ear: Ear) -> None:
    board = await switch_on(house, Faults(slow=0.05))
    await begin(house)
    await told(house, board, "said", text="202")
    await house.until(lambda: session_of(house).state is State.TRANSFERRING)
    await house.reload()
    assert (await ended(house)).state is State.CONFIRMED
    assert len(ear.heard(TOPIC)) == 1


async def test_a_restart_of_home_assistant_before_the_verdict_hears_it_afterwards(house: House) -> None:
    board = await switch_on(house, restart_delay=0.5)
    await begin(house)
    await told(house, board, "said", text="200")
    await house.until(lambda: session_of(house).state is State.REBOOTING)
    await house.reload()
    assert (await ended(house)).state is State.CONFIRMED
    assert board.boots == 2
