"""Boards that are told a URL, from the card to the verdict, and their bad days."""

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.mqtt_ota import sessions
from custom_components.mqtt_ota.ota.board import Availability
from custom_components.mqtt_ota.ota.dialects import url, url_course
from custom_components.mqtt_ota.ota.dialects.url import KIND
from custom_components.mqtt_ota.ota.session import Session, State
from homeassistant.components import mqtt
from homeassistant.components.mqtt import client
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from tests.board.board import Board
from tests.board.settings import Settings as NativeSettings
from tests.firmware_images import build_app
from tests.seeds.device import Device
from tests.seeds.faults import Faults
from tests.seeds.mesh import ROOT, Mesh, Node
from tests.seeds.settings import Settings
from tests.seeds.uploaders import Ear, open_ear
from tests.seeds.url import CHECKSUM_FAILED, UPDATE_FAILED, UrlBoard

from .house import House, a_house

S2: dict[str, Any] = {**KIND.presets["esp32_s3_ota"]} | {"dialect": KIND.name, "id": "kitchen"}
MESH: dict[str, Any] = {**KIND.presets["buttons_mesh"]} | {"dialect": KIND.name}
LATER: dict[str, Any] = {**KIND.presets["buttons_mesh_later"]} | {"dialect": KIND.name}
KITCHEN = "url:kitchen"
TOPIC = S2["command_topic"]
OLD = build_app(version="1.0.0", size=48 * 1024, seed=1, time="09:00:00")
NEW = build_app(version="1.1.0", size=64 * 1024)
SILENT = {"status_topic": "", "pattern_progress": "", "pattern_success": "", "pattern_failure": ""}


@pytest.fixture
def dialects() -> Sequence[dict[str, Any]]:
    return (S2,)


@pytest.fixture
async def house(
    hass: HomeAssistant,
    tmp_path: Path,
    dialects: Sequence[dict[str, Any]],
    socket_enabled: None,
    mock_hass_config: None,
    monkeypatch: pytest.MonkeyPatch,
    hass_client_no_auth: ClientSessionGenerator,
) -> AsyncIterator[House]:
    monkeypatch.setattr(client, "RECONNECT_INTERVAL_SECONDS", 0.2)
    monkeypatch.setattr(sessions, "SETTLE", 0.1)
    monkeypatch.setattr(sessions, "BROKER_GONE", 0.1)
    # A `timeout` of ten minutes is two seconds here.
    monkeypatch.setattr(url, "MINUTE", 0.2)
    monkeypatch.setattr(url_course, "TO_SETTLE", 0.2)
    async with a_house(hass, tmp_path, dialects=dialects, model="") as house:
        base_url = str((await hass_client_no_auth()).make_url("")).rstrip("/")
        await house.change_options({"base_url": base_url})
        await house.refresh()
        yield house


@pytest.fixture
async def ear(house: House) -> AsyncIterator[Ear]:
    opened = open_ear(house.broker.port)
    yield opened.__enter__()
    opened.__exit__(None, None, None)


async def switch_on(house: House, make: Callable[[Settings], Device], client_id: str = "kitchen") -> Any:
    """Give a board power and wait until it is on the broker."""
    settings = Settings(host=house.broker.host, port=house.broker.port, client_id=client_id, image=OLD)
    board = make(settings)
    house.boards.append(board)  # type: ignore[arg-type]
    board.start()
    await house.told(board, "connected")  # type: ignore[arg-type]
    return board


async def a_board(house: House, faults: Faults | None = None, **options: Any) -> Any:
    """Switch on a board of the first kind, which says its words on the topic of its preset."""
    where = {"status_topic": S2["status_topic"]} | options
    return await switch_on(house, lambda settings: UrlBoard(settings, faults, **where))


async def a_mesh(house: House, nodes: Sequence[Node], **options: Any) -> Any:
    """Switch on a mesh and wait until each of its boards is known."""
    often = {"state_interval": 0.05} | options
    mesh = await switch_on(house, lambda settings: Mesh(settings, nodes, **often), "domator")
    await house.until(lambda: {f"url:{node.device_id}" for node in nodes} <= house.members.keys())
    await house.hass.async_block_till_done()
    return mesh


def nodes(count: int = 3, **faults: Faults) -> list[Node]:
    return [Node(1000 + place, OLD, faults=faults.get(f"node{place}", Faults())) for place in range(count)]


def told(house: House, board: Device, event: str, **fields: Any) -> Any:
    return house.told(board, event, **fields)  # type: ignore[arg-type]


def session_of(house: House, member_id: str = KITCHEN) -> Session:
    session = house.members[member_id].session
    assert session is not None
    return session


async def begin(house: House, member_id: str = KITCHEN) -> None:
    """Start an install and return when it is under way."""
    data = {"entity_id": house.entity_id(member_id)}
    await house.hass.services.async_call("update", "install", data, blocking=False)
    await house.until(lambda: house.members[member_id].active_session is not None)


async def ended(house: House, member_id: str = KITCHEN) -> Session:
    await house.until(lambda: not house.members[member_id].is_installing)
    return session_of(house, member_id)


async def refused(house: House, member_id: str = KITCHEN) -> str:
    """Install, and return why it failed."""
    with pytest.raises(HomeAssistantError) as caught:
        await house.install(member_id)
    assert caught.value.translation_key is not None
    return caught.value.translation_key


# A board that says words


async def test_a_board_is_updated_and_its_own_word_is_what_the_verdict_rests_on(house: House) -> None:
    board = await a_board(house)
    await house.install(KITCHEN)
    session = session_of(house)
    assert (session.state, session.detail) == (State.UNVERIFIED, "said_done")
    await told(house, board, "connected")
    assert board.runs == NEW
    state = house.state(KITCHEN)
    assert (state.state, state.attributes["installed_version"]) == ("off", "1.1.0")
    assert state.attributes["version_source"] == "installed_from_here"


async def test_the_percentage_of_a_board_is_shown(house: House) -> None:
    await a_board(house, Faults(slow=0.02))
    await begin(house)
    state = await house.state_is(lambda state: (state.attributes["update_percentage"] or 0) >= 10, KITCHEN)
    assert state.attributes["update_percentage"] % 10 < 1
    assert (await ended(house)).state is State.UNVERIFIED


@pytest.mark.parametrize(
    ("word", "reason"),
    [(CHECKSUM_FAILED, "install_board_digest"), (UPDATE_FAILED, "install_board_failed")],
)
async def test_a_word_of_failure_is_told_with_what_it_was(house: House, word: str, reason: str) -> None:
    board = await a_board(house, Faults(answer_at=(1, word)))
    assert await refused(house) == reason
    assert session_of(house).detail == word.removeprefix("ERROR: ")
    assert board.runs == OLD


async def test_a_board_that_is_too_young_to_say_that_it_is_done_is_believed_by_its_hundred_percent(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(url_course, "TO_END", 0.3)
    board = await a_board(house, quiet_time=60.0)
    await house.install(KITCHEN)
    assert (session_of(house).state, session_of(house).detail) == (State.UNVERIFIED, "fetched_all")
    assert board.runs == NEW


async def test_a_board_that_hears_nothing_is_told_twice_and_no_more(
    house: House, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(url_course, "TO_FETCH", 0.3)
    await a_board(house, Faults(silent_at=0))
    assert await refused(house) == "install_never_fetched"
    commands = ear.heard(TOPIC)
    assert len(commands) == 2
    assert commands[0] == commands[1]


async def test_a_command_that_was_lost_is_sent_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(url_course, "TO_FETCH", 0.3)
    board = await a_board(house, Faults(lose_message=0))
    await house.install(KITCHEN)
    assert session_of(house).state is State.UNVERIFIED
    await told(house, board, "connected")
    assert (board.runs, board.flashes) == (NEW, 1)


async def test_a_board_that_loses_power_in_the_middle_is_told_nothing_again(
    house: House, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(url_course, "TO_SPEAK", 0.5)
    board = await a_board(house, Faults(power_cut=30_000))
    reason = await refused(house)
    # Its image may have left Home Assistant whole, and yet the board said no more than its last percentage.
    assert reason in {"install_fell_silent", "install_board_transport"}
    # The piece in which the power goes was counted, but not written.
    assert session_of(house).detail in {"40 %", "50 %"}
    assert (board.runs, board.flashes) == (OLD, 0)
    assert len(ear.heard(TOPIC)) == 1


async def test_a_word_that_is_lost_at_the_end_makes_no_success_out_of_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(url_course, "TO_SPEAK", 0.5)
    board = await a_board(house, Faults(slow=0.02))
    await begin(house)
    await house.until(lambda: session_of(house).memo.get("said", 0) >= 10)
    await house.hass.async_add_executor_job(house.broker.stop)
    # It connects to no broker while it flashes, so nobody hears the rest.
    await told(house, board, "powerless")
    await house.hass.async_add_executor_job(house.broker.start)
    session = await ended(house)
    assert session.state is State.FAILED
    assert session.reason in {"fell_silent", "board_transport"}
    assert board.runs == NEW


async def test_a_restart_of_home_assistant_in_the_middle_ends_the_fetch_and_says_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(url_course, "TO_SPEAK", 1.0)
    # More than waits between Home Assistant and the board, who would go on with that.
    big = build_app(version="1.2.0", size=9 << 20)
    house.publish_releases({"version": "1.2.0", "image": big})
    await house.refresh()
    board = await a_board(house, Faults(slow=0.05), slot_size=16 << 20)
    await begin(house)
    await house.until(lambda: session_of(house).memo.get("said", 0) >= 10)
    await house.reload()
    session = await ended(house)
    # This one says that it failed; one that says nothing would be given up.
    assert (session.state, session.reason) == (State.FAILED, "board_failed")
    assert board.runs == OLD


async def test_a_restart_of_home_assistant_before_the_fetch_says_the_url_anew(
    house: House, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(url_course, "TO_FETCH", 20.0)
    board = await a_board(house, Faults(lose_message=0))
    await begin(house)
    await told(house, board, "lost")
    await house.reload()
    assert (await ended(house)).state is State.UNVERIFIED
    first, second = ear.heard(TOPIC)
    assert first != second


async def test_a_broker_that_is_away_before_the_command_only_delays_it(house: House) -> None:
    board = await a_board(house)
    await house.hass.async_add_executor_job(house.broker.stop)
    await house.until(lambda: not mqtt.is_connected(house.hass))
    await begin(house)
    await house.hass.async_add_executor_job(house.broker.start)
    assert (await ended(house)).state is State.UNVERIFIED
    await told(house, board, "connected")
    assert board.runs == NEW


async def test_a_retained_command_of_yesterday_is_found_and_the_own_command_is_none(house: House, ear: Ear) -> None:
    await a_board(house)
    await house.install(KITCHEN)
    fleet = house.entry.runtime_data.fleet
    assert fleet.leftovers == {}
    ear.publish(TOPIC, "http://127.0.0.1:1/yesterday.bin", retain=True)
    # Who is subscribed already hears it as news: what is remembered comes to those who come later.
    await house.reload()
    await house.until(lambda: TOPIC in house.entry.runtime_data.fleet.leftovers)


async def test_a_word_that_somebody_retained_moves_nothing(
    house: House, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(url_course, "TO_FETCH", 0.5)
    ear.publish(S2["status_topic"], "Update Complete. Restarting...", retain=True)
    await a_board(house, Faults(lose_message=0))
    await begin(house)
    await house.reload()
    await ended(house)
    assert session_of(house).memo.get("begun")


async def test_nothing_that_is_sent_is_retained(house: House) -> None:
    await a_board(house)
    await house.install(KITCHEN)
    with open_ear(house.broker.port) as late:
        late.publish("end", b"")
        await house.hass.async_add_executor_job(late.hear, "end")
        assert late.heard(TOPIC) == []


@pytest.mark.parametrize("dialects", [(S2 | {"longest": 70},)])
async def test_a_url_that_is_too_long_for_the_board_is_refused_before_it_is_said(house: House, ear: Ear) -> None:
    await a_board(house)
    assert await refused(house) == "install_url_too_long"
    assert ear.heard(TOPIC) == []


@pytest.mark.parametrize("dialects", [(S2 | {"scheme": "https"},)])
async def test_a_board_that_wants_https_is_offered_no_plain_address(house: House) -> None:
    await a_board(house)
    assert await refused(house) == "install_url_scheme"


@pytest.mark.parametrize("dialects", [(S2 | {"source": "feed"},)])
async def test_the_release_s_own_address_is_told_where_the_user_wants_it(house: House, ear: Ear) -> None:
    board = await a_board(house)
    await house.install(KITCHEN)
    assert (session_of(house).state, session_of(house).detail) == (State.UNVERIFIED, "said_done")
    assert ear.heard(TOPIC) == [house.feed.address("/1.1.0.bin").encode()]
    await told(house, board, "connected")
    assert board.runs == NEW


# A board that says nothing


@pytest.mark.parametrize("dialects", [(S2 | SILENT,)])
async def test_a_board_that_says_nothing_is_believed_by_what_it_fetched(house: House) -> None:
    board = await a_board(house)
    await house.install(KITCHEN)
    assert (session_of(house).state, session_of(house).detail) == (State.UNVERIFIED, "fetched_all")
    await told(house, board, "connected")
    assert board.runs == NEW


@pytest.mark.parametrize("dialects", [(S2 | {"pattern_progress": "", "pattern_success": "Never Said"},)])
async def test_a_board_that_fetches_all_and_says_no_word_is_not_believed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(url_course, "TO_END", 0.3)
    await a_board(house)
    assert await refused(house) == "install_fell_silent"


# Two boards on one topic


@pytest.mark.parametrize("dialects", [(S2, S2 | {"id": "garage", "status_topic": "garage/progress"})])
async def test_two_boards_on_one_topic_are_updated_by_one_command(house: House, ear: Ear) -> None:
    first = await a_board(house, Faults(slow=0.005))
    second = await switch_on(house, UrlBoard, "garage")
    entities = [house.entity_id(KITCHEN), house.entity_id("url:garage")]
    await house.hass.services.async_call("update", "install", {"entity_id": entities}, blocking=True)
    for member_id in (KITCHEN, "url:garage"):
        session = await ended(house, member_id)
        assert (session.state, session.detail) == (State.UNVERIFIED, "said_done")
    assert len(ear.heard(TOPIC)) == 1
    for board in (first, second):
        await told(house, board, "connected")
        assert (board.runs, board.flashes) == (NEW, 1)


# The mesh


@pytest.mark.parametrize("dialects", [(MESH,)])
async def test_each_board_of_a_mesh_proves_by_its_digest_that_it_runs_the_new_image(house: House) -> None:
    mesh = await a_mesh(house, nodes(5), at_once=2)
    await house.install("url:1002")
    assert session_of(house, "url:1002").state is State.CONFIRMED
    # Those that nobody chose fetch from the same address, also after the one that was chosen is done.
    await house.until(lambda: all(node.runs == NEW for node in mesh.nodes))
    assert [node.flashes for node in mesh.nodes] == [1] * 5
    assert len({url for node in mesh.nodes for url in node.asked}) == 1


@pytest.mark.parametrize("dialects", [(MESH,)])
async def test_all_boards_of_a_mesh_are_updated_by_one_command(house: House, ear: Ear) -> None:
    mesh = await a_mesh(house, nodes(4))
    entities = [house.entity_id(f"url:{node.device_id}") for node in mesh.nodes]
    await house.hass.services.async_call("update", "install", {"entity_id": entities}, blocking=True)
    assert {session_of(house, f"url:{node.device_id}").state for node in mesh.nodes} == {State.CONFIRMED}
    assert len(ear.heard(ROOT)) == 1
    assert house.state("url:1003").attributes["installed_version"] == "1.1.0"


@pytest.mark.parametrize("dialects", [(MESH,)])
async def test_a_trigger_that_a_broker_says_twice_flashes_once(house: House) -> None:
    mesh = await a_mesh(house, nodes(1))
    await house.install("url:1000")
    assert [event["event"] for event in mesh.events.told].count("trigger") == 2
    assert mesh.nodes[0].flashes == 1


@pytest.mark.parametrize("dialects", [(MESH | {"timeout": 5},)])
@pytest.mark.parametrize("faults", [Faults(comes_back_old=True), Faults(power_cut=20_000)])
async def test_a_board_of_a_mesh_that_keeps_its_old_image_fails_and_the_others_do_not(
    house: House, faults: Faults
) -> None:
    await a_mesh(house, nodes(3, node2=faults))
    assert await refused(house, "url:1002") == "install_board_failed"
    assert house.members["url:1001"].board.digest == f"elf:{NEW[0xB0:0xC0].hex()}"
    assert house.members["url:1002"].board.digest == f"elf:{OLD[0xB0:0xC0].hex()}"


@pytest.mark.parametrize("dialects", [(MESH | {"timeout": 5},)])
async def test_a_board_of_a_mesh_that_never_comes_back_is_reported(house: House) -> None:
    await a_mesh(house, nodes(3, node1=Faults(never_comes_back=True)))
    assert await refused(house, "url:1001") == "install_never_returned"


@pytest.mark.parametrize("dialects", [(MESH,)])
async def test_a_mesh_whose_root_is_deaf_never_fetches(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(url_course, "TO_FETCH", 0.3)
    await a_mesh(house, nodes(2), faults=Faults(silent_at=0))
    assert await refused(house, "url:1001") == "install_never_fetched"


@pytest.mark.parametrize("dialects", [(MESH | {"timeout": 50},)])
async def test_a_restart_of_home_assistant_after_the_fetch_still_ends_with_the_proof(house: House) -> None:
    mesh = await a_mesh(house, nodes(1), restart_delay=1.0)
    await begin(house, "url:1000")
    await house.until(lambda: session_of(house, "url:1000").state is State.VERIFYING)
    await house.reload()
    session = await ended(house, "url:1000")
    assert session.state is State.CONFIRMED
    assert mesh.nodes[0].flashes == 1


@pytest.mark.parametrize("dialects", [(MESH,)])
async def test_what_is_retained_on_the_command_topic_is_found_whatever_its_form(house: House, ear: Ear) -> None:
    ear.publish(ROOT, '{"url": "http://a.example/x.bin", "type": "ota_trigger"}', retain=True)
    await house.reload()
    await house.until(lambda: ROOT in house.entry.runtime_data.fleet.leftovers)


# Its later generation


@pytest.mark.parametrize("dialects", [(LATER,)])
async def test_a_board_with_its_url_built_in_proves_by_its_time_of_build_what_it_fetched(
    house: House, ear: Ear
) -> None:
    built_in = house.feed.address("/1.1.0.bin")
    mesh = await a_mesh(house, nodes(2), later=True, url=built_in)
    assert house.members["url:1000"].availability is Availability.ONLINE
    await house.install("url:1001")
    assert session_of(house, "url:1001").state is State.CONFIRMED
    assert ear.heard("/switch/cmd/1001") == [b"U"]
    # One board was told, and one was updated.
    assert [node.flashes for node in mesh.nodes] == [0, 1]


@pytest.mark.parametrize("dialects", [(LATER,)])
async def test_another_image_at_the_built_in_url_is_told_as_that(house: House) -> None:
    house.publish_releases(
        {"version": "1.1.0", "image": NEW},
        {"version": "1.0.5", "image": build_app(version="1.0.5", time="11:11:11")},
    )
    await house.refresh()
    await a_mesh(house, nodes(1), later=True, url=house.feed.address("/1.0.5.bin"))
    assert await refused(house, "url:1000") == "install_other_image"
    assert session_of(house, "url:1000").detail == "Nov 21 2026 11:11:11"


@pytest.mark.parametrize("dialects", [(LATER | {"timeout": 2},)])
async def test_nothing_at_the_built_in_url_is_no_answer(house: House, ear: Ear) -> None:
    await a_mesh(house, nodes(1), later=True, url="http://127.0.0.1:1/none.bin")
    assert await refused(house, "url:1000") == "install_no_answer"
    # Whether it fetches is not seen, so it is not told again.
    assert ear.heard("/switch/cmd/1000") == [b"U"]


@pytest.mark.parametrize("dialects", [(LATER,)])
async def test_a_root_that_vanished_is_updated_when_it_is_there_again(house: House, ear: Ear) -> None:
    built_in = house.feed.address("/1.1.0.bin")
    gone = await a_mesh(house, nodes(1), later=True, url=built_in)
    house.boards.remove(gone)
    await house.hass.async_add_executor_job(gone.stop)
    await house.until(lambda: house.members["url:1000"].availability is Availability.OFFLINE)
    await begin(house, "url:1000")
    await house.until(lambda: session_of(house, "url:1000").state is State.WAITING)
    assert ear.heard("/switch/cmd/1000") == []
    mesh = await a_mesh(house, nodes(1), later=True, url=built_in)
    assert (await ended(house, "url:1000")).state is State.CONFIRMED
    assert mesh.nodes[0].flashes == 1


@pytest.mark.parametrize("dialects", [(LATER,)])
async def test_other_commands_that_are_retained_are_no_leftovers(house: House, ear: Ear) -> None:
    ear.publish("/switch/cmd/1000", "S", retain=True)
    ear.publish("/switch/cmd/1001", "U", retain=True)
    await house.reload()
    await house.until(lambda: house.entry.runtime_data.fleet.leftovers != {})
    assert list(house.entry.runtime_data.fleet.leftovers) == ["/switch/cmd/1001"]


# Moving house


@pytest.mark.parametrize(("dialects", "member_id"), [((S2,), KITCHEN), ((MESH,), "url:1000")], ids=["words", "mesh"])
async def test_a_board_whose_next_image_is_this_project_s_is_the_same_device(house: House, member_id: str) -> None:
    old: Any
    if member_id == KITCHEN:
        old = await a_board(house)
        await house.install(KITCHEN)
    else:
        # What it runs from now on speaks another way: the mesh hears no more of it.
        old = await a_mesh(house, nodes(1, node0=Faults(never_comes_back=True)))
        await begin(house, member_id)
        await told(house, old, "restarted")
    house.boards.remove(old)
    await house.hass.async_add_executor_job(old.stop)
    entity_id = house.entity_id(member_id)
    settings = NativeSettings(
        host=house.broker.host,
        port=house.broker.port,
        id="relay-9",
        state=house.folder / "relay-9",
        chip="ESP32-S3",
        model="relay",
        version="1.1.0",
    )
    board = Board(settings, None)
    house.boards.append(board)
    board.start()
    await house.until(lambda: house.members[member_id].board.dialect == "native")
    session = await ended(house, member_id)
    assert session.state is State.CONFIRMED
    assert list(house.members) == [member_id]
    assert house.entity_id(member_id) == entity_id
    state = await house.state_is(lambda state: state.attributes["version_source"] == "board", member_id)
    assert state.attributes["installed_version"] == "1.1.0"
