"""The update card: what it shows, what it keeps over a restart, and how often it is written."""

from typing import Any

import pytest
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.mqtt_ota.installs import async_install
from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from custom_components.mqtt_ota.ota.session import State as SessionState
from homeassistant.components.homeassistant import DOMAIN as HOMEASSISTANT
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, State, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.setup import async_setup_component
from tests.board.faults import Faults
from tests.firmware_images import build_app

from .conftest import Announce, SetUp
from .house import House

NOTES = [
    {
        "version": "1.2.0",
        "notes": "# 1.2.0\n\nFaster.",
        "url": "https://example.com/1.2.0",
        "image": build_app(version="1.2.0"),
    },
    {"version": "1.1.0", "notes": "Quieter.", "image": build_app(version="1.1.0")},
    {"version": "1.0.0", "notes": "First.", "image": build_app(version="1.0.0")},
    {"version": "1.3.0-beta.1", "prerelease": True, "notes": "Risky.", "image": build_app(version="1.3.0-beta.1")},
]


def releases() -> list[dict[str, Any]]:
    return [dict(version) for version in NOTES]


async def test_the_card_shows_the_newest_release_and_the_notes_since_the_installed_one(
    house: House, hass_ws_client: WebSocketGenerator
) -> None:
    house.publish_releases(*releases())
    await house.add_board()
    await house.refresh()
    state = await house.state_is(lambda state: state.attributes["latest_version"] == "1.2.0")
    assert state.state == "on"
    assert state.attributes["title"] == "Relay"
    assert state.attributes["release_summary"] == "Faster."
    assert state.attributes["release_url"] == "https://example.com/1.2.0"
    assert state.attributes["latest_reason"] is None
    client = await hass_ws_client(house.hass)
    await client.send_json_auto_id({"type": "update/release_notes", "entity_id": house.entity_id()})
    notes = (await client.receive_json())["result"]
    assert notes.index("Faster.") < notes.index("Quieter.")
    assert "First." not in notes
    assert "Risky." not in notes


async def test_an_older_version_can_be_asked_for(house: House) -> None:
    house.publish_releases(*releases())
    await house.add_board(version="1.2.0")
    await house.refresh()
    assert house.state().state == "off"
    await house.install(version="1.1.0")
    state = house.state()
    assert (state.state, state.attributes["installed_version"], state.attributes["latest_version"]) == (
        "on",
        "1.1.0",
        "1.2.0",
    )


@pytest.mark.parametrize(
    ("version", "reason"),
    [("9.9.9", "version_unknown"), ("1.0.0", "already_installed"), ("1.3.0-beta.1", "version_unknown")],
)
async def test_a_version_that_cannot_be_installed_is_refused(house: House, version: str, reason: str) -> None:
    house.publish_releases(*releases())
    await house.add_board()
    await house.refresh()
    with pytest.raises(HomeAssistantError) as caught:
        await house.install(version=version)
    assert caught.value.translation_key == reason
    assert house.state().attributes["in_progress"] is False


async def test_a_newer_board_is_offered_no_older_release(house: House) -> None:
    await house.add_board(version="1.1.0-4-gabcdef0")
    await house.refresh()
    state = house.state()
    assert (state.state, state.attributes["latest_version"]) == ("off", "1.1.0")


async def test_a_second_install_is_refused_while_one_runs(house: House) -> None:
    house.publish_releases({"version": "1.1.0", "image": build_app(version="1.1.0", size=256 * 1024)})
    await house.add_board(rate=100)
    await house.refresh()
    first = house.hass.async_create_task(house.install())
    await house.state_is(lambda state: state.attributes["in_progress"] is True)
    with pytest.raises(HomeAssistantError):
        await house.install()
    await first
    assert house.state().attributes["installed_version"] == "1.1.0"


async def test_a_board_without_a_feed_is_not_called_up_to_date(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce
) -> None:
    await ota_entry()
    await announce()
    state = hass.states.get("update.lamp_firmware")
    assert state is not None
    assert (state.state, state.attributes["latest_version"]) == ("unknown", None)
    assert state.attributes["latest_reason"] == "no_product"
    with pytest.raises(HomeAssistantError) as caught:
        await hass.services.async_call(
            "update", "install", {"entity_id": "update.lamp_firmware", "version": "1"}, blocking=True
        )
    assert caught.value.translation_key == "no_product"


async def test_a_skipped_version_stays_skipped_after_a_restart_with_the_feed_down(house: House) -> None:
    board = await house.add_board()
    await house.refresh()
    await house.hass.services.async_call("update", "skip", {"entity_id": house.entity_id()}, blocking=True)
    assert house.state().state == "off"
    await house.switch_off(board)
    await house.feed.down()
    await house.reload()
    state = house.state()
    assert (state.state, state.attributes["skipped_version"], state.attributes["latest_version"]) == (
        "off",
        "1.1.0",
        "1.1.0",
    )


async def test_check_for_updates_reads_the_feed_again(house: House) -> None:
    await house.add_board()
    await house.refresh()
    assert await async_setup_component(house.hass, HOMEASSISTANT, {})
    house.publish_releases(*releases())
    await house.hass.services.async_call(
        HOMEASSISTANT, "update_entity", {"entity_id": house.entity_id()}, blocking=True
    )
    state = await house.state_is(lambda state: state.attributes["latest_version"] == "1.2.0")
    assert state.state == "on"


async def test_a_feed_that_is_down_says_so_when_an_install_is_tried(house: House) -> None:
    await house.feed.down()
    await house.reload()
    await house.add_board()
    assert house.state().state == "unknown"
    with pytest.raises(HomeAssistantError) as caught:
        await house.install(version="1.1.0")
    assert caught.value.translation_key == "feed_unreachable"


async def test_the_install_of_one_megabyte_is_written_at_most_once_a_second(house: House) -> None:
    """Count every state write: the first and the last always, and between them at most one a second of board time."""
    house.publish_releases({"version": "1.1.0", "image": build_app(version="1.1.0", size=1 << 20)})
    board = await house.add_board(rate=200)
    await house.refresh()
    writes: list[tuple[float, State]] = []

    @callback
    def _count(event: Event[EventStateChangedData]) -> None:
        if event.data["entity_id"] == house.entity_id() and event.data["new_state"]:
            writes.append((house.hass.loop.time(), event.data["new_state"]))

    house.hass.bus.async_listen(EVENT_STATE_CHANGED, _count)
    begun = house.hass.loop.time()
    await house.install()
    await house.hass.async_block_till_done()
    lasted = writes[-1][0] - begun
    states = [state for _, state in writes]
    assert states[0].attributes["in_progress"] is True
    assert (states[-1].attributes["in_progress"], states[-1].attributes["installed_version"]) == (False, "1.1.0")
    percentages = [state.attributes["update_percentage"] for state in states]
    moving = [percentage for percentage in percentages if percentage is not None]
    assert moving == sorted(moving)
    assert len(moving) >= 3
    # The first, one a second, and the verdict, which does not wait for its second.
    assert len(writes) <= lasted + 2
    between = [later - earlier for (earlier, _), (later, _) in zip(writes[:-1], writes[1:-1], strict=False)]
    assert all(gap > 0.99 for gap in between), between
    await house.told(board, "state", state="confirmed")


async def test_update_all_gives_every_board_its_own_verdict(house: House) -> None:
    await house.add_board("relay-1")
    await house.add_board("relay-2", faults=Faults(wrong_digest=True))
    await house.add_board("relay-3")
    await house.refresh()
    targets = [house.entity_id(f"relay-{number}") for number in (1, 2, 3)]
    with pytest.raises(HomeAssistantError):
        await house.hass.services.async_call("update", "install", {"entity_id": targets}, blocking=True)
    for board_id, version in (("relay-1", "1.1.0"), ("relay-2", "1.0.0"), ("relay-3", "1.1.0")):
        await house.state_is(
            lambda state, version=version: (  # type: ignore[misc]
                state.attributes["installed_version"] == version and not state.attributes["in_progress"]
            ),
            board_id,
        )
    assert house.state("relay-2").attributes["install_reason"] == "board_digest"


async def test_a_board_that_says_nothing_to_an_offer_fails_after_several(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custom_components.mqtt_ota.ota.session.PATIENCE", dict.fromkeys(SessionState, 0.05))
    await house.add_board(faults=Faults(silent=True))
    with pytest.raises(HomeAssistantError) as caught:
        await house.install()
    assert caught.value.translation_key == "install_no_answer"


async def test_a_board_that_never_returns_is_said_to_be_lost(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    patience = dict.fromkeys(SessionState, 5.0) | {SessionState.REBOOTING: 0.2, SessionState.OFFERED: 0.2}
    monkeypatch.setattr("custom_components.mqtt_ota.ota.session.PATIENCE", patience)
    await house.add_board(faults=Faults(never_comes_back=True))
    with pytest.raises(HomeAssistantError) as caught:
        await house.install()
    assert caught.value.translation_key == "install_never_returned"


async def test_a_board_that_comes_back_old_without_a_word_is_rolled_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custom_components.mqtt_ota.ota.session.DOUBT", 0.1)
    await house.add_board(faults=Faults(comes_back_old_silent=True))
    with pytest.raises(HomeAssistantError) as caught:
        await house.install()
    assert caught.value.translation_key == "install_rolled_back"
    assert house.state().attributes["installed_version"] == "1.0.0"


async def test_a_double_click_is_one_install(house: House) -> None:
    await house.add_board()
    await house.refresh()
    runtime, member = house.entry.runtime_data, house.members["relay-1"]
    first = house.hass.async_create_task(async_install(runtime, member, None), eager_start=True)
    with pytest.raises(OtaError) as caught:
        await async_install(runtime, member, None)
    assert caught.value.reason is Reason.ALREADY_INSTALLING
    await first
    await house.state_is(lambda state: state.attributes["installed_version"] == "1.1.0")


async def test_an_image_of_another_project_is_installed_with_a_warning(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    await house.add_board(project="lamp")
    await house.install()
    assert house.state().attributes["installed_version"] == "1.1.0"
    assert "names the project mqtt_ota_test, the board relay-1 says lamp" in caplog.text


async def test_a_long_summary_is_cut_and_notes_are_asked_of_a_board_without_any(
    house: House, hass_ws_client: WebSocketGenerator
) -> None:
    house.publish_releases({"version": "1.1.0", "notes": "word " * 100, "image": build_app(version="1.1.0")})
    await house.add_board(model="stranger")
    client = await hass_ws_client(house.hass)
    await client.send_json_auto_id({"type": "update/release_notes", "entity_id": house.entity_id()})
    assert (await client.receive_json())["result"] is None
    await house.add_board("relay-2")
    await house.refresh()
    summary = house.state("relay-2").attributes["release_summary"]
    assert (len(summary) <= 255, summary[-1]) == (True, "…")
