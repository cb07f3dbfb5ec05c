"""Boards that take chunks, from the card to the verdict, and their bad days: real client, real broker, fake boards."""

from collections.abc import AsyncIterator
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from custom_components.mqtt_ota import fleet, sessions
from custom_components.mqtt_ota.ota import chunk_transfer
from custom_components.mqtt_ota.ota.chunks import size_frame
from custom_components.mqtt_ota.ota.session import Session, State
from homeassistant.components import mqtt
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from tests.firmware_images import build_app
from tests.seeds.chunked import ChunkedBoard
from tests.seeds.faults import Faults
from tests.seeds.settings import Settings
from tests.seeds.uploaders import Ear, open_ear

from .house import House, a_house

CHIP = "esp32-c40a24"
MEMBER = f"chunked:{CHIP}"
TOPIC, FEEDBACK = f"ota/{CHIP}", f"ota/feedback/{CHIP}"
OLD = build_app(version="1.0.0", size=8 * 1024, seed=1)
SMALL = build_app(version="1.1.0", size=8 * 1024, seed=2)
OWN_TOPICS = {"dialect": "chunked", "command_topic": "home/{id}/ota", "feedback_topic": "home/{id}/said"}


@pytest.fixture
def dialects() -> tuple[dict[str, Any], ...]:
    return ()


@pytest.fixture
async def house(
    hass: HomeAssistant,
    tmp_path: Path,
    dialects: tuple[dict[str, Any], ...],
    socket_enabled: None,
    mock_hass_config: None,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[House]:
    monkeypatch.setattr(chunk_transfer, "ANSWER", 0.4)
    monkeypatch.setattr(chunk_transfer, "FITS", 0.3)
    monkeypatch.setattr(chunk_transfer, "RESTART", 0.4)
    monkeypatch.setattr(chunk_transfer, "PROBES", 4)
    monkeypatch.setattr(fleet, "REST", 0.5)
    monkeypatch.setattr(mqtt.client, "RECONNECT_INTERVAL_SECONDS", 0.2)
    monkeypatch.setattr(sessions, "SETTLE", 0.1)
    monkeypatch.setattr(sessions, "BROKER_GONE", 0.1)
    async with a_house(hass, tmp_path, dialects=dialects, model="") as house:
        yield house


async def offer(house: House, image: bytes = SMALL) -> None:
    """Let the feed offer an image, and wait until it was read."""
    house.publish_releases({"version": "1.1.0", "image": image})
    await house.refresh()


async def switch_on(house: House, faults: Faults | None = None, *, member: str = MEMBER, **options: Any) -> Any:
    """Give a board power and wait until it is known."""
    topics = options.pop("topics", None)
    settings = Settings(host=house.broker.host, port=house.broker.port, client_id=CHIP, image=OLD)
    board: Any = ChunkedBoard(settings, faults, **options)
    if topics is not None:
        board.topic, board.feedback = topics
    house.boards.append(board)
    board.start()
    await house.told(board, "connected")
    await house.until(lambda: member in house.members)
    await house.hass.async_block_till_done()
    return board


async def refused(house: House, member: str = MEMBER) -> str:
    """Install, and return why it failed."""
    with pytest.raises(HomeAssistantError) as caught:
        await house.install(member)
    assert caught.value.translation_key is not None
    return caught.value.translation_key


def session_of(house: House, member: str = MEMBER) -> Session:
    session = house.members[member].session
    assert session is not None
    return session


async def begin_a_slow_install(house: House, **options: Any) -> Any:
    """Start an install that takes some seconds, and return the board when a good part of it is written."""
    await offer(house, build_app(version="1.1.0", size=24 * 1024, seed=4))
    board = await switch_on(house, Faults(slow=0.01), **options)
    await house.hass.services.async_call("update", "install", {"entity_id": house.entity_id(MEMBER)}, blocking=False)
    await house.until(lambda: (session := house.members[MEMBER].session) is not None and session.held > 6000)
    return board


async def ended(house: House) -> Session:
    await house.until(lambda: not house.members[MEMBER].is_installing)
    return session_of(house)


async def publish(house: House, payload: bytes, topic: str = FEEDBACK, *, retain: bool = False) -> None:
    await mqtt.async_publish(house.hass, topic, payload, 1, retain, encoding=None)


@pytest.fixture
async def ear(house: House) -> AsyncIterator[Ear]:
    opened = open_ear(house.broker.port)
    yield await house.hass.async_add_executor_job(opened.__enter__)
    await house.hass.async_add_executor_job(opened.__exit__, None, None, None)


# Good days


async def test_a_board_is_found_and_updated_without_any_configuration(house: House, ear: Ear) -> None:
    board = await switch_on(house)
    await house.refresh()
    attributes = house.state(MEMBER).attributes
    assert (attributes["installed_version"], attributes["version_source"]) == ("unknown", "nobody")
    assert (house.state(MEMBER).state, attributes["latest_version"]) == ("on", "1.1.0")
    await house.install(MEMBER)
    image = build_app(version="1.1.0")
    assert board.runs == image
    attributes = house.state(MEMBER).attributes
    assert (attributes["installed_version"], attributes["version_source"]) == ("1.1.0", "installed_from_here")
    assert (attributes["install_state"], house.state(MEMBER).state) == ("unverified", "off")
    sent = [event for event in ear.events.told if event.get("topic") == TOPIC]
    chunks = [event for event in sent if event["payload"][2:-18] and event["payload"][2:-18] in image]
    assert len(chunks) >= 328
    assert not any(event["retain"] or event["qos"] for event in sent)
    assert house.members[MEMBER].board.block_size == 200


async def test_the_card_shows_what_the_board_acknowledged(house: House) -> None:
    board = await begin_a_slow_install(house)
    state = await house.state_is(lambda state: (state.attributes["update_percentage"] or 0) > 0, MEMBER)
    assert 0 < state.attributes["bytes_held"] < 24 * 1024
    assert (await ended(house)).state is State.UNVERIFIED
    assert board.flashes == 1


async def test_what_a_board_takes_is_remembered_over_a_restart(house: House) -> None:
    await offer(house)
    board = await switch_on(house, buffer_size=200)
    await house.install(MEMBER)
    assert board.runs == SMALL
    assert house.members[MEMBER].board.block_size == 120
    await house.reload()
    assert house.members[MEMBER].board.block_size == 120


@pytest.mark.parametrize("dialects", [(OWN_TOPICS | {"chunk_size": 1024, "model": "lamp", "chip": "ESP32-S3"},)])
async def test_topics_and_sizes_of_the_user_are_used(house: House, dialects: tuple[dict[str, Any], ...]) -> None:
    await offer(house)
    board = await switch_on(house, buffer_size=2048, topics=(f"home/{CHIP}/ota", f"home/{CHIP}/said"))
    await house.install(MEMBER)
    assert board.runs == SMALL
    known = house.members[MEMBER].board
    assert (known.model, known.chip, known.block_size) == ("lamp", "ESP32-S3", 1024)


@pytest.mark.parametrize("dialects", [({"dialect": "chunked", "chunk_size": 1024},)])
async def test_settings_for_the_usual_topics_take_the_place_of_what_is_built_in(
    house: House, dialects: tuple[dict[str, Any], ...]
) -> None:
    await offer(house)
    board = await switch_on(house, buffer_size=2048)
    await house.install(MEMBER)
    assert (board.runs, house.members[MEMBER].board.block_size) == (SMALL, 1024)


@pytest.mark.parametrize("dialects", [(OWN_TOPICS | {"wants_md5": True},)])
async def test_a_sibling_that_wants_the_digest_first_gets_it(
    house: House, dialects: tuple[dict[str, Any], ...], ear: Ear
) -> None:
    await offer(house)
    board = await switch_on(house, topics=(f"home/{CHIP}/ota", f"home/{CHIP}/said"), wants_md5=True)
    await house.install(MEMBER)
    assert board.runs == SMALL
    digest = md5(SMALL, usedforsecurity=False).hexdigest()
    assert ear.heard(f"home/{CHIP}/ota")[:2] == [f"md5:{digest}".encode(), size_frame(len(SMALL))]


# Bad days


@pytest.mark.parametrize("step", [0, 2, 20])
async def test_a_board_that_hangs_ends_the_update_with_a_reason(house: House, step: int) -> None:
    await offer(house)
    board = await switch_on(house, Faults(silent_at=step))
    assert await refused(house) == ("install_no_answer" if step == 0 else "install_stuck")
    assert board.runs == OLD


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("begin-fail", "install_board_refused"),
        ("write-fail", "install_board_flash"),
        ("end-fail", "install_board_image"),
    ],
)
async def test_a_word_that_ends_the_update_names_its_reason(house: House, word: str, reason: str) -> None:
    await offer(house)
    board = await switch_on(house, Faults(answer_at=(0 if word == "begin-fail" else 10, word)))
    assert await refused(house) == reason
    assert board.runs == OLD


@pytest.mark.parametrize("word", ["len-fail", "size-mismatch", "md5-fail"])
async def test_a_word_that_refuses_a_chunk_costs_time_only(house: House, word: str) -> None:
    await offer(house)
    board = await switch_on(house, Faults(answer_at=(10, word)))
    await house.install(MEMBER)
    assert board.runs == SMALL


@pytest.mark.parametrize("faults", [{"repeat_answer": 0}, {"repeat_answer": 10}, {"lose_message": 0}])
async def test_faults_on_the_way_cost_time_only(house: House, faults: dict[str, Any]) -> None:
    await offer(house)
    board = await switch_on(house, Faults(**faults))
    await house.install(MEMBER)
    assert board.runs == SMALL
    assert b"".join(board.writes) == SMALL


@pytest.mark.parametrize("fault", [{"lose_answer": 10}, {"lose_message": 10}], ids=["lost ok", "lost chunk"])
async def test_a_lost_ok_is_not_guessed_and_after_a_power_cycle_all_is_well(
    house: House, fault: dict[str, Any]
) -> None:
    await offer(house)
    board = await switch_on(house, Faults(**fault))
    assert await refused(house) == "install_stuck"
    assert await refused(house) == "install_stuck"
    board.power_cycle()
    await house.told(board, "connected")
    await house.install(MEMBER)
    assert board.runs == SMALL


@pytest.mark.parametrize("word", [b"ok", b"success", b"ready", b"end-fail", b"begin-fail"])
async def test_a_word_of_yesterday_tells_of_the_board_and_moves_nothing(house: House, word: bytes) -> None:
    await offer(house)
    await publish(house, word, retain=True)
    await house.until(lambda: MEMBER in house.members)
    await house.hass.async_block_till_done()
    assert await refused(house) == "install_no_answer"
    assert session_of(house).held == 0
    board = await switch_on(house)
    await house.install(MEMBER)
    assert board.runs == SMALL


async def test_a_board_that_loses_its_power_half_way_begins_again(house: House) -> None:
    board = await begin_a_slow_install(house)
    board.power_cycle()
    session = await ended(house)
    assert session.state is State.UNVERIFIED
    assert session.memo["restarts"] == 1
    assert board.runs == build_app(version="1.1.0", size=24 * 1024, seed=4)


async def test_ready_of_a_new_connection_half_way_is_not_the_end(house: House) -> None:
    board = await begin_a_slow_install(house)
    board.lose_connection()
    session = await ended(house)
    # Whether the chunk under way was written nobody knows, or its answer came in time: never anything else.
    assert (session.state, session.reason) in {(State.UNVERIFIED, None), (State.FAILED, "stuck")}
    assert board.runs in {OLD, build_app(version="1.1.0", size=24 * 1024, seed=4)}
    assert (board.runs == OLD) is (session.state is State.FAILED)


async def test_a_restart_of_home_assistant_half_way_goes_on_where_it_was(house: House) -> None:
    board = await begin_a_slow_install(house)
    await house.reload()
    held = session_of(house).held
    assert held > 6000
    assert house.state(MEMBER).attributes["in_progress"] is True
    session = await ended(house)
    assert (session.state, session.memo["restarts"]) == (State.UNVERIFIED, 0)
    assert b"".join(board.writes) == board.runs == build_app(version="1.1.0", size=24 * 1024, seed=4)


async def test_the_end_of_home_assistant_comes_to_rest_too(house: House) -> None:
    board = await begin_a_slow_install(house)
    for job in tuple(house.hass._shutdown_jobs):
        house.hass.async_run_hass_job(job.job, *job.args)
    await house.until(lambda: session_of(house).rested)
    await house.reload()
    assert (await ended(house)).state is State.UNVERIFIED
    assert b"".join(board.writes) == board.runs


async def test_a_restart_that_nobody_planned_is_not_guessed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    board = await begin_a_slow_install(house)

    async def stop_at_once(_fleet: fleet.Fleet) -> None:
        """Wait for nothing."""

    monkeypatch.setattr(fleet.Fleet, "_async_rest", stop_at_once)
    await house.reload()
    session = await ended(house)
    assert (session.state, session.reason) == (State.FAILED, "stuck")
    assert board.runs == OLD


async def test_a_board_that_restarted_while_home_assistant_did_is_sent_all_again(house: House) -> None:
    board = await begin_a_slow_install(house)
    await house.hass.config_entries.async_unload(house.entry.entry_id)
    board.power_cycle()
    await house.told(board, "powerless")
    await house.told(board, "connected")
    await house.hass.config_entries.async_setup(house.entry.entry_id)
    assert (await ended(house)).state is State.UNVERIFIED
    assert board.runs == build_app(version="1.1.0", size=24 * 1024, seed=4)


async def test_a_restart_of_the_broker_half_way_ends_with_a_verdict_and_never_with_wrong_bytes(house: House) -> None:
    board = await begin_a_slow_install(house)
    await house.hass.async_add_executor_job(house.broker.stop)
    await house.until(lambda: not mqtt.is_connected(house.hass))
    await house.hass.async_add_executor_job(house.broker.start)
    session = await ended(house)
    assert (session.state, session.reason) in {(State.UNVERIFIED, None), (State.FAILED, "stuck")}
    assert (board.runs == OLD) is (session.state is State.FAILED)


async def test_an_update_that_is_cancelled_leaves_an_open_transfer_which_the_next_one_names(house: House) -> None:
    board = await begin_a_slow_install(house)
    house.entry.runtime_data.sessions.async_cancel(house.members[MEMBER])
    assert session_of(house).state is State.CANCELLED
    assert await refused(house) == "install_stuck"
    assert board.runs == OLD


async def test_a_board_that_comes_back_old_is_not_called_confirmed(house: House) -> None:
    await offer(house)
    board = await switch_on(house, Faults(comes_back_old=True))
    await house.install(MEMBER)
    assert board.runs == OLD
    assert house.state(MEMBER).attributes["install_state"] == "unverified"


async def test_two_boards_with_one_id_are_told_of_and_not_updated(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    await offer(house)
    await switch_on(house)
    await switch_on(house)
    await house.until(lambda: "several boards have this id" in caplog.text)
    assert await refused(house) == "install_shared_id"
    assert caplog.text.count("several boards have this id") == 1


async def test_words_that_all_come_twice_send_each_chunk_once(house: House) -> None:
    await offer(house)
    board = await switch_on(house)
    say = board._publish

    def say_twice(topic: str, payload: bytes, qos: int = 0, *, retain: bool = False) -> None:
        for _ in range(2):
            say(topic, payload, qos, retain=retain)

    board._publish = say_twice
    await house.install(MEMBER)
    assert session_of(house).memo["doubled"]
    assert b"".join(board.writes) == board.runs == SMALL


async def test_a_foreign_id_or_word_makes_no_board(house: House) -> None:
    await publish(house, b"ready", "ota/feedback/esp32-00aa", retain=True)
    await publish(house, b"ready", "ota/feedback/kitchen", retain=True)
    await publish(house, b"hello", FEEDBACK, retain=True)
    await publish(house, b"ready", "ota/feedback/esp32-aa", retain=True)
    await house.until(lambda: bool(house.members))
    assert list(house.members) == ["chunked:esp32-aa"]


async def test_forgetting_a_board_removes_its_last_word_from_the_broker(house: House) -> None:
    board = await switch_on(house)
    house.boards.remove(board)
    await house.hass.async_add_executor_job(board.stop)
    house.entry.runtime_data.fleet.async_forget(MEMBER)
    await house.hass.async_block_till_done()
    await house.reload()
    assert MEMBER not in house.members
    await publish(house, b"last", "done", retain=True)
    with open_ear(house.broker.port) as late:
        await house.hass.async_add_executor_job(late.hear, "done")
        assert late.heard(FEEDBACK) == []
