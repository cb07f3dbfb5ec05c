"""Installs from the card to the verdict: real MQTT client, real broker, and boards with every fault."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from homeassistant.components import mqtt
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from tests.board.faults import Faults
from tests.firmware_images import build_app

from .house import House, a_house


@pytest.fixture
def options() -> dict[str, str]:
    return {}


@pytest.fixture
async def house(
    hass: HomeAssistant,
    tmp_path: Path,
    options: dict[str, str],
    socket_enabled: None,
    mock_hass_config: None,
    hass_client_no_auth: ClientSessionGenerator,
) -> AsyncIterator[House]:
    async with a_house(hass, tmp_path) as house:
        # Views can be added only until the server listens.
        base_url = str((await hass_client_no_auth()).make_url("")).rstrip("/")
        await house.change_options({"base_url": base_url} | options)
        yield house


async def test_a_board_is_updated_from_its_announcement_to_its_confirmation(house: House) -> None:
    await house.add_board()
    state = await house.state_is(lambda state: state.state == "on")
    assert (state.attributes["installed_version"], state.attributes["latest_version"]) == ("1.0.0", "1.1.0")
    await house.install()
    state = house.state()
    assert (state.state, state.attributes["installed_version"]) == ("off", "1.1.0")
    assert (state.attributes["in_progress"], state.attributes["update_percentage"]) == (False, None)


@pytest.mark.parametrize(
    "faults",
    [
        {"lose": 7},
        {"repeat": True},
        {"reorder": True},
        {"corrupt": True},
        {"drops_large": 2000},
        {"power_cut": 20_000},
        {"lose": 5, "repeat": True, "corrupt": True},
    ],
    ids="-".join,
)
@pytest.mark.parametrize("order", ["any", "sequential"])
async def test_faults_on_the_way_cost_time_and_nothing_else(house: House, faults: dict[str, Any], order: str) -> None:
    board = await house.add_board(faults=Faults(**faults), order=order)
    await house.install()
    assert house.state().attributes["installed_version"] == "1.1.0"
    await house.told(board, "state", state="confirmed")


@pytest.mark.parametrize("transports", [("http",), ("blocks",), ("blocks", "http")])
async def test_each_way_to_a_board_works(house: House, transports: tuple[str, ...]) -> None:
    board = await house.add_board(transports=transports)
    await house.install()
    offer = next(event for event in board.events.told if event["event"] == "offer")
    assert offer["transport"] == transports[0]
    assert house.state().attributes["installed_version"] == "1.1.0"


@pytest.mark.parametrize("options", [{"transport": "http"}])
async def test_the_way_that_the_user_prefers_is_taken(house: House) -> None:
    board = await house.add_board(transports=("blocks", "http"))
    await house.install()
    offer = next(event for event in board.events.told if event["event"] == "offer")
    assert offer["transport"] == "http"


@pytest.mark.parametrize("options", [{"transport": "http"}])
async def test_blocks_take_over_where_no_url_can_be_fetched(house: House) -> None:
    await house.add_board(faults=Faults(dies_on_url=True))
    await house.install()
    assert house.state().attributes["installed_version"] == "1.1.0"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("wrong_digest", "install_board_digest"),
        ("comes_back_old", "install_rolled_back"),
        ("fails_self_test", "install_rolled_back"),
    ],
)
async def test_a_failure_names_its_reason_and_leaves_the_old_version(house: House, fault: str, reason: str) -> None:
    await house.add_board(faults=Faults(**{fault: True}))
    with pytest.raises(HomeAssistantError) as caught:
        await house.install()
    assert caught.value.translation_key == reason
    state = house.state()
    assert (state.state, state.attributes["installed_version"], state.attributes["in_progress"]) == (
        "on",
        "1.0.0",
        False,
    )


async def test_the_next_attempt_after_a_failure_works(house: House) -> None:
    board = await house.add_board(faults=Faults(wrong_digest=True))
    with pytest.raises(HomeAssistantError):
        await house.install()
    await house.switch_off(board)
    await house.add_board()
    await house.install()
    assert house.state().attributes["installed_version"] == "1.1.0"


async def test_a_board_that_falls_asleep_in_the_middle_goes_on_when_it_wakes(house: House) -> None:
    board = await house.add_board(faults=Faults(falls_asleep=20_000), sleep_time=0.2)
    await house.install()
    assert house.state().attributes["installed_version"] == "1.1.0"
    assert [event["event"] for event in board.events.told].count("connected") >= 3


async def test_two_boards_that_install_the_same_image_share_its_blocks(house: House) -> None:
    boards = [await house.add_board(f"relay-{number}", rate=200) for number in (1, 2, 3)]
    targets = [house.entity_id(f"relay-{number}") for number in (1, 2, 3)]
    await house.hass.services.async_call("update", "install", {"entity_id": targets}, blocking=True)
    for number, board in enumerate(boards, 1):
        assert house.state(f"relay-{number}").attributes["installed_version"] == "1.1.0"
        await house.told(board, "state", state="confirmed")


async def test_a_reload_in_the_middle_is_taken_up_where_it_was(house: House) -> None:
    await begin_a_slow_install(house)
    await house.reload()
    assert house.state().attributes["in_progress"] is True
    state = await house.state_is(lambda state: state.attributes["installed_version"] == "1.1.0")
    assert state.attributes["in_progress"] is False


async def test_a_board_that_is_away_is_armed_and_updated_when_it_comes(house: House) -> None:
    board = await house.add_board()
    await house.switch_off(board)
    await house.install()
    state = house.state()
    assert (state.attributes["in_progress"], state.attributes["install_state"]) == (True, "waiting")
    await house.add_board()
    state = await house.state_is(lambda state: state.attributes["installed_version"] == "1.1.0")
    assert state.attributes["install_state"] == "confirmed"


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (build_app(chip="ESP32-C3", version="1.1.0"), "wrong_chip"),
        (build_app(version="1.1.0", size=512 * 1024), "too_large"),
        (build_app(version="1.1.0")[:-100], "image_truncated"),
        (b"<!doctype html>" * 100, "image_not_esp"),
    ],
    ids=["chip", "size", "truncated", "html"],
)
async def test_an_image_that_does_not_fit_is_refused_before_a_byte_is_sent(
    house: House, image: bytes, reason: str
) -> None:
    house.publish_releases({"version": "1.1.0", "image": image})
    board = await house.add_board(slot_size=256 * 1024)
    await house.state_is(lambda state: state.state == "on")
    await house.entry.runtime_data.catalogue.async_refresh(house.members["relay-1"].board)
    with pytest.raises(HomeAssistantError) as caught:
        await house.install()
    assert caught.value.translation_key == reason
    assert not [event for event in board.events.told if event["event"] == "offer"]
    assert house.state().attributes["in_progress"] is False


async def begin_a_slow_install(house: House, **settings: Any) -> None:
    """Start an install that takes some seconds, and return when bytes move."""
    house.publish_releases({"version": "1.1.0", "image": build_app(version="1.1.0", size=256 * 1024)})
    await house.add_board(rate=100, **settings)
    await house.refresh()
    await house.hass.services.async_call("update", "install", {"entity_id": house.entity_id()}, blocking=False)
    await house.state_is(lambda state: (state.attributes["update_percentage"] or 0) > 10)


async def test_an_install_right_after_a_start_waits_for_the_feed(house: House) -> None:
    await house.add_board()
    await house.reload()
    await house.install()
    assert house.state().attributes["installed_version"] == "1.1.0"


async def test_a_broker_that_restarts_in_the_middle_costs_time_only(house: House) -> None:
    await begin_a_slow_install(house)
    await house.hass.async_add_executor_job(house.broker.stop)
    await house.until(lambda: not mqtt.is_connected(house.hass))
    await house.hass.async_add_executor_job(house.broker.start)
    state = await house.state_is(lambda state: state.attributes["installed_version"] == "1.1.0")
    assert state.attributes["install_state"] == "confirmed"


async def test_a_reload_of_mqtt_in_the_middle_costs_time_only(house: House) -> None:
    await begin_a_slow_install(house)
    assert await house.hass.config_entries.async_reload(house.mqtt_entry.entry_id)
    await house.until(lambda: mqtt.is_connected(house.hass))
    state = await house.state_is(lambda state: state.attributes["installed_version"] == "1.1.0")
    assert state.attributes["install_state"] == "confirmed"


async def test_an_image_that_vanished_from_the_store_ends_the_session_after_a_restart(house: House) -> None:
    await begin_a_slow_install(house)
    sha256 = house.members["relay-1"].session.target.sha256  # type: ignore[union-attr]
    path = house.entry.runtime_data.images.path(sha256)
    await house.hass.async_add_executor_job(path.unlink)
    await house.reload()
    state = house.state()
    assert (state.attributes["in_progress"], state.attributes["install_reason"]) == (False, "image_unreadable")


async def test_nonsense_in_the_middle_does_not_disturb_a_session(house: House) -> None:
    await begin_a_slow_install(house)
    for kind, payload in (
        ("want", b""),
        ("want", b"\x01" + b"\xff" * 40),
        ("status", b"{}"),
        ("status", b'{"session": "ffffffffffffffff", "state": "failed", "reason": "flash"}'),
        ("status", b"\xff" * 600),
        ("availability", b"maybe"),
        ("announce", b"[]"),
    ):
        await mqtt.async_publish(house.hass, f"mqtt_ota/board/relay-1/{kind}", payload, 1, encoding=None)
    state = await house.state_is(lambda state: state.attributes["installed_version"] == "1.1.0")
    assert state.attributes["install_state"] == "confirmed"


async def test_an_offer_is_never_retained(house: House) -> None:
    await house.add_board()
    await house.install()
    late: list[mqtt.ReceiveMessage] = []

    @callback
    def _hear(message: mqtt.ReceiveMessage) -> None:
        late.append(message)

    unsubscribe = await mqtt.async_subscribe(house.hass, "mqtt_ota/#", _hear, encoding=None)
    await house.until(lambda: {message.topic.rpartition("/")[2] for message in late} >= {"announce", "availability"})
    assert {message.topic.rpartition("/")[2] for message in late} == {"announce", "availability"}
    unsubscribe()
