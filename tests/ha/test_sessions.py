"""Sessions at work: what ends them, and what must not."""

from typing import Any

import pytest

from custom_components.mqtt_ota.ota.board import Transport
from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from custom_components.mqtt_ota.ota.session import State, Target
from homeassistant.exceptions import HomeAssistantError
from tests.firmware_images import build_app

from .house import House


async def begin(house: House, **settings: Any) -> None:
    """Start an install that takes some seconds, and return when bytes move."""
    house.publish_releases({"version": "1.1.0", "image": build_app(version="1.1.0", size=256 * 1024)})
    await house.add_board(rate=60, **settings)
    await house.refresh()
    await house.hass.services.async_call("update", "install", {"entity_id": house.entity_id()}, blocking=False)
    await house.state_is(lambda state: state.attributes["install_state"] == "transferring")


async def test_a_cancelled_board_stops_and_the_next_install_goes_on_from_what_it_holds(house: House) -> None:
    await begin(house)
    await house.state_is(lambda state: (state.attributes["update_percentage"] or 0) > 20)
    member = house.members["relay-1"]
    house.entry.runtime_data.sessions.async_cancel(member)
    await house.told(house.boards[0], "state", state="cancelled")
    state = house.state()
    assert (state.attributes["in_progress"], state.attributes["install_state"]) == (False, "cancelled")
    house.entry.runtime_data.sessions.async_cancel(member)
    await house.install()
    accepted = await house.told(house.boards[0], "state", state="accepted")
    assert accepted["held"] > 0
    assert house.state().attributes["installed_version"] == "1.1.0"


async def test_two_sessions_of_one_board_cannot_run(house: House) -> None:
    await begin(house)
    member = house.members["relay-1"]
    assert member.active_session is not None
    with pytest.raises(OtaError) as caught:
        await house.entry.runtime_data.sessions.async_begin(
            member, member.active_session.target, Transport.BLOCKS, 60.0
        )
    assert caught.value.reason is Reason.ALREADY_INSTALLING


async def test_a_session_without_its_image_does_not_begin(house: House) -> None:
    await house.add_board()
    target = Target(version="2", sha256="0" * 64, size=1)
    with pytest.raises(OtaError) as caught:
        await house.entry.runtime_data.sessions.async_begin(house.members["relay-1"], target, Transport.BLOCKS, 60.0)
    assert caught.value.reason is Reason.IMAGE_UNREADABLE


async def test_time_does_not_run_against_a_board_while_the_broker_is_gone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await begin(house)
    member = house.members["relay-1"]
    session = member.active_session
    assert session is not None
    await house.hass.async_add_executor_job(house.broker.stop)
    await house.until(lambda: not house.entry.runtime_data.sessions.is_connected)
    for _ in range(20):
        house.entry.runtime_data.sessions.async_wake(member)
    assert (session.state, session.attempts) == (State.TRANSFERRING, 0)
    await house.hass.async_add_executor_job(house.broker.start)
    await house.state_is(lambda state: state.attributes["installed_version"] == "1.1.0")
    house.entry.runtime_data.sessions.async_wake(member)


async def test_blocks_take_over_where_home_assistant_has_no_address_for_boards(house: House) -> None:
    await house.change_options({"transport": "http", "base_url": ""})
    house.hass.config.internal_url = None
    await house.add_board()
    await house.refresh()
    house.entry.runtime_data.downloads.async_base_url = _no_url
    await house.install()
    assert house.state().attributes["installed_version"] == "1.1.0"


async def test_a_scheme_that_the_board_cannot_take_is_no_way(house: House) -> None:
    await house.change_options({"transport": "http", "base_url": "https://127.0.0.1:1"})
    await house.add_board(transports=("http",))
    await house.refresh()
    with pytest.raises(HomeAssistantError) as caught:
        await house.install()
    assert caught.value.translation_key == "install_url_scheme"


def _no_url() -> str:
    raise OtaError(Reason.NO_URL)
