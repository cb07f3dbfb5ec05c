"""A board against a real broker: every way in which an update can go. BOARD_PROGRAM names another board to try."""

import base64
from collections.abc import Callable, Iterator
from hashlib import pbkdf2_hmac
from itertools import pairwise
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
import pytest

from custom_components.mqtt_ota.ota.signature import key_id, point, sign
from tests.board.board import Board
from tests.board.events import Event
from tests.board.faults import Faults
from tests.board.house import SESSION, House, manifest_of, open_house
from tests.board.program import Program
from tests.board.settings import Settings
from tests.board.web import Web, serve
from tests.e2e.harness.places import find_mosquitto
from tests.firmware_images import build_app
from tests.mosquitto import Mosquitto, run_mosquitto

pytestmark = [
    pytest.mark.usefixtures("socket_enabled"),
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto was not found: scripts/setup"),
]

BOARD = "relay-1"
OTHER_SESSION = "ffeeddccbbaa0099"
SIZE = 96 * 1024
IMAGE = build_app(version="1.1.0", size=SIZE)
BLOCKS = SIZE // 4096
KEY = ec.derive_private_key(20261121, ec.SECP256R1())
PUBLIC_KEY = base64.b64encode(point(KEY.public_key())).decode()

type StartBoard = Callable[..., Program]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with run_mosquitto(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def house(broker: Mosquitto) -> Iterator[House]:
    with open_house(broker.port) as house:
        yield house


@pytest.fixture
def start_board(broker: Mosquitto, tmp_path: Path) -> Iterator[StartBoard]:
    """Give what starts a board, on the same flash each time, and waits until it has announced itself."""
    running: list[Program] = []

    def start(*arguments: str, board: str = BOARD) -> Program:
        quick = ("--reboot-time", "0.02", "--sleep-time", "0.1", "--ask-timeout", "0.2")
        identity = ("--broker", f"127.0.0.1:{broker.port}", "--id", board, "--state", str(tmp_path / board))
        program = Program(*identity, "--model", "relay", "--chip", "ESP32-S3", *quick, *arguments)
        running.append(program)
        program.wait_for("announced")
        return program

    yield start
    for program in running:
        program.kill()


def fault(*names: str) -> list[str]:
    return [part for name in names for part in ("--fault", name)]


def states(house: House) -> list[str]:
    """Return the states that were said, each repetition once."""
    said = [status["state"] for status in house.said("status")]
    return said[:1] + [state for before, state in pairwise(said) if state != before]


def confirmed(house: House, version: str = "1.1.0", session: str = SESSION) -> None:
    """Wait until a session is confirmed, by the announce first and then by the status."""
    house.wait_for("announce", version=version, retain=False)
    house.wait_for("status", state="confirmed", session=session)


def test_a_board_announces_itself_and_leaves_word_that_it_is_gone(house: House, start_board: StartBoard) -> None:
    board = start_board(
        *("--name", "Relay", "--project", "relay", "--mac", "aa:bb:cc:00:11:22", "--slot-size", "2097152"),
        *("--window", "4", "--order", "sequential", "--transports", "blocks,https", "--encodings", "raw"),
        *("--counter", "3", "--feed", "https://example.com/manifest.json", "--public-key", PUBLIC_KEY),
    )
    announce = house.wait_for("announce")
    assert announce == {
        "event": "announce",
        "board": BOARD,
        "retain": False,
        "protocol": 1,
        "id": BOARD,
        "name": "Relay",
        "model": "relay",
        "chip": "ESP32-S3",
        "project": "relay",
        "version": "1.0.0",
        "mac": "aa:bb:cc:00:11:22",
        "slot_size": 2097152,
        "block_size": 4096,
        "window": 4,
        "order": "sequential",
        "encodings": ["raw"],
        "transports": ["blocks", "https"],
        "keys": [key_id(KEY.public_key())],
        "counter": 3,
        "rollback": True,
        "wake_interval": 0,
        "feed": "https://example.com/manifest.json",
    }
    house.wait_for("availability", text="online")
    assert board.stop() == 0
    house.wait_for("availability", text="offline")


def test_a_killed_board_s_last_will_speaks(house: House, start_board: StartBoard) -> None:
    board = start_board()
    house.wait_for("availability", text="online")
    board.kill()
    house.wait_for("availability", text="offline")


def test_an_image_goes_all_the_way(house: House, start_board: StartBoard) -> None:
    board = start_board()
    house.offer(BOARD, IMAGE)
    house.wait_for("announce", version="1.1.0", pending=True)
    confirmed(house)
    assert states(house) == ["accepted", "transferring", "verifying", "rebooting", "confirmed"]
    probe, *wants = house.said("want")
    assert (probe["probe"], probe["blocks"], probe["block_size"]) == (True, [0], 4096)
    assert not any(want["probe"] for want in wants)
    assert house.frames == BLOCKS
    assert max(len(want["blocks"]) for want in wants) <= 8
    board.wait_for("state", state="confirmed")
    running = house.said("announce")[-1]
    assert (running["version"], "pending" in running, "sha256" in running) == ("1.1.0", False, True)


@pytest.mark.parametrize("size", [SIZE, SIZE - 16, 4096, 352])
def test_the_last_block_may_be_short_or_the_only_one(house: House, start_board: StartBoard, size: int) -> None:
    start_board()
    house.offer(BOARD, build_app(size=size))
    confirmed(house)


def test_a_megabyte_is_a_matter_of_a_moment(house: House, start_board: StartBoard) -> None:
    start_board()
    house.offer(BOARD, build_app(size=1 << 20))
    confirmed(house)
    assert house.frames == 256


@pytest.mark.parametrize("order", ["any", "sequential"])
@pytest.mark.parametrize(
    "faults",
    [("lose=5",), ("repeat",), ("reorder",), ("corrupt",), ("lose=5", "repeat", "reorder", "corrupt")],
    ids="+".join,
)
def test_a_bad_way_costs_time_only(house: House, start_board: StartBoard, order: str, faults: tuple[str, ...]) -> None:
    start_board("--order", order, *fault(*faults))
    house.offer(BOARD, IMAGE)
    confirmed(house)


def test_a_window_of_one_stops_and_waits(house: House, start_board: StartBoard) -> None:
    start_board("--window", "1", *fault("lose=7"))
    house.offer(BOARD, IMAGE)
    confirmed(house)
    assert {len(want["blocks"]) for want in house.said("want")} == {1}


def test_frames_that_are_too_large_become_smaller(house: House, start_board: StartBoard) -> None:
    board = start_board(*fault("drops_large=2000"))
    house.offer(BOARD, IMAGE)
    board.wait_for("state", state="transferring", block_size=1024)
    confirmed(house)
    assert [want["block_size"] for want in house.said("want") if want["probe"]] == [4096, 4096, 2048, 2048, 1024]


def test_where_no_frame_arrives_the_way_has_failed_and_another_may_be_tried(
    house: House, start_board: StartBoard
) -> None:
    start_board("--ask-timeout", "0.05", *fault("drops_large=100"))
    house.offer(BOARD, IMAGE)
    house.wait_for("status", state="failed", reason="transport")
    assert [want["block_size"] for want in house.said("want")][::2] == [4096, 2048, 1024, 512, 256]
    with serve(Web(IMAGE)) as web:
        house.offer(BOARD, IMAGE, transport="http", url=web.url)
        confirmed(house)


def test_after_a_power_cut_it_goes_on(house: House, start_board: StartBoard) -> None:
    board = start_board(*fault("power_cut=50000"))
    house.offer(BOARD, IMAGE)
    board.wait_for("restart", cause="power_cut")
    house.wait_for("availability", text="offline")
    resumed = house.wait_for("status", state="accepted", held=12 * 4096)
    assert resumed["session"] == SESSION
    confirmed(house)
    assert house.frames <= BLOCKS + 2 * 8


def test_a_killed_board_goes_on_where_it_was(house: House, start_board: StartBoard) -> None:
    board = start_board("--rate", "200")
    house.offer(BOARD, IMAGE)
    board.wait_for("state", state="transferring")
    board.kill()
    house.wait_for("availability", text="offline")
    start_board()
    assert house.wait_for("status", state="accepted")["held"] >= 4096
    confirmed(house)


def test_a_board_that_falls_asleep_says_so_and_goes_on(house: House, start_board: StartBoard) -> None:
    start_board(*fault("falls_asleep=40000"))
    house.offer(BOARD, IMAGE)
    house.wait_for("availability", text="asleep")
    house.wait_for("availability", text="online")
    assert house.wait_for("status", state="accepted")["held"] == 40960
    confirmed(house)
    assert [said["text"] for said in house.said("availability")] == ["online", "asleep", "online", "offline", "online"]


def test_a_board_that_wakes_now_and_then_is_asleep_between(house: House, start_board: StartBoard) -> None:
    start_board("--wake-interval", "1", "--awake-time", "0.1")
    assert house.wait_for("announce")["wake_interval"] == 1
    house.wait_for("availability", text="asleep")
    house.wait_for("availability", text="online")
    house.offer(BOARD, IMAGE)
    confirmed(house)


def test_a_broker_that_restarts_only_interrupts(broker: Mosquitto, house: House, start_board: StartBoard) -> None:
    board = start_board("--rate", "200")
    house.offer(BOARD, IMAGE)
    board.wait_for("state", state="transferring")
    broker.stop()
    board.wait_for("disconnected")
    broker.start()
    board.wait_for("connected")
    confirmed(house)
    assert len([event for event in board.events.told if event["event"] == "started"]) == 2


def test_flash_that_lies_is_found_out(house: House, start_board: StartBoard) -> None:
    start_board(*fault("wrong_digest"))
    house.offer(BOARD, IMAGE)
    house.wait_for("status", state="failed", reason="digest")
    # Nothing of it is believed: another session begins from nothing.
    house.offer(BOARD, IMAGE, session=OTHER_SESSION)
    assert house.wait_for("status", state="accepted", session=OTHER_SESSION)["held"] == 0


def test_what_is_no_app_image_is_never_started(house: House, start_board: StartBoard) -> None:
    start_board()
    house.offer(BOARD, bytes(5000))
    house.wait_for("status", state="failed", reason="image")


def test_a_new_image_that_does_not_boot_is_rolled_back(house: House, start_board: StartBoard) -> None:
    board = start_board(*fault("comes_back_old"))
    house.offer(BOARD, IMAGE)
    board.wait_for("restart", cause="update")
    house.wait_for("status", state="rebooting")
    house.wait_for("announce", version="1.0.0")
    house.wait_for("status", state="rolled_back", reason="boot", session=SESSION)
    house.offer(BOARD, IMAGE)
    house.wait_for("status", state="rolled_back", reason="boot", session=SESSION)


def test_a_board_may_come_back_old_without_a_word(house: House, start_board: StartBoard) -> None:
    start_board(*fault("comes_back_old_silent"))
    house.offer(BOARD, IMAGE)
    house.wait_for("status", state="rebooting")
    house.wait_for("announce", version="1.0.0")
    house.wait_for("availability", text="online")
    house.offer(BOARD, IMAGE, session=OTHER_SESSION)
    house.wait_for("status", session=OTHER_SESSION)
    assert "rolled_back" not in states(house)


def test_a_new_image_that_finds_itself_unfit_goes_back(house: House, start_board: StartBoard) -> None:
    start_board(*fault("fails_self_test"))
    house.offer(BOARD, IMAGE)
    house.wait_for("announce", version="1.1.0", pending=True)
    house.wait_for("announce", version="1.0.0")
    house.wait_for("status", state="rolled_back", reason="self_test")


def test_a_new_image_that_never_confirms_stays_pending(house: House, start_board: StartBoard) -> None:
    board = start_board(*fault("never_confirms"))
    house.offer(BOARD, IMAGE)
    house.wait_for("announce", version="1.1.0", pending=True)
    house.wait_for("availability", text="online")
    house.offer(BOARD, build_app(version="1.2.0", size=4096), session=OTHER_SESSION)
    house.wait_for("status", session=OTHER_SESSION, state="failed", reason="busy")
    house.offer(BOARD, IMAGE)
    house.wait_for("status", session=SESSION, state="rebooting")
    # The boot loader gives an image one chance.
    board.kill()
    start_board()
    house.wait_for("announce", version="1.0.0")
    house.wait_for("status", session=SESSION, state="rolled_back", reason="boot")


def test_a_board_may_never_come_back(house: House, start_board: StartBoard) -> None:
    board = start_board(*fault("never_comes_back"))
    house.offer(BOARD, IMAGE)
    assert board.wait_for("restart", cause="update")["seconds"] is None
    house.wait_for("status", state="rebooting")
    house.wait_for("availability", text="offline")
    assert board.stop() == 0


def test_a_deaf_board_answers_no_offer(house: House, start_board: StartBoard) -> None:
    board = start_board(*fault("silent"))
    house.offer(BOARD, IMAGE)
    house.say(BOARD, "cancel", b"a fence")
    board.wait_for("dropped")
    assert house.said("status") == []


def test_the_next_update_goes_into_the_other_slot(house: House, start_board: StartBoard) -> None:
    board = start_board()
    house.offer(BOARD, IMAGE)
    confirmed(house)
    newer = build_app(version="1.2.0", size=SIZE)
    house.offer(BOARD, newer, session=OTHER_SESSION)
    confirmed(house, "1.2.0", OTHER_SESSION)
    board.kill()
    house.wait_for("availability", text="offline")
    start_board()
    house.wait_for("announce", version="1.2.0")


@pytest.mark.parametrize("web", [Web(IMAGE), Web(IMAGE, cut_at=[10000, 30000, 0]), Web(IMAGE, False, [10000])])
def test_an_image_comes_by_url(house: House, start_board: StartBoard, web: Web) -> None:
    start_board()
    cuts = len(web.cut_at)
    with serve(web):
        house.offer(BOARD, IMAGE, transport="http", url=web.url)
        confirmed(house)
    assert len(web.asked) == cuts + 1
    assert states(house) == ["accepted", "transferring", "verifying", "rebooting", "confirmed"]
    assert house.said("want") == []


def test_a_url_goes_on_where_the_blocks_ended(house: House, start_board: StartBoard) -> None:
    house.deaf_after = 10
    board = start_board()
    house.offer(BOARD, IMAGE)
    board.wait_for("state", state="transferring")
    with serve(Web(IMAGE)) as web:
        house.offer(BOARD, IMAGE, transport="http", url=web.url)
        confirmed(house)
    assert int(web.asked[0].removeprefix("bytes=").removesuffix("-")) >= 4096


def test_a_dead_url_fails_and_blocks_may_do(house: House, start_board: StartBoard) -> None:
    start_board(*fault("dies_on_url"))
    house.offer(BOARD, IMAGE, transport="http", url="http://127.0.0.1:1/image.bin")
    house.wait_for("status", state="failed", reason="transport")
    house.offer(BOARD, IMAGE)
    confirmed(house)


def test_a_url_that_nobody_answers_fails(house: House, start_board: StartBoard) -> None:
    start_board()
    with serve(Web(IMAGE[:5000])) as web:
        house.offer(BOARD, IMAGE, transport="http", url=web.url)
        house.wait_for("status", state="failed", reason="transport")


REFUSALS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "another protocol": ({}, {"protocol": 2}, "offer_invalid"),
    "no manifest": ({}, {"manifest": 5}, "offer_invalid"),
    "a manifest of nonsense": ({}, {"manifest": "mqtt_ota 1\nmodel=\n"}, "offer_invalid"),
    "a transport that it has not": ({}, {"transport": "https", "url": "https://example.com/"}, "offer_invalid"),
    "a transport that nobody has": ({}, {"transport": "pigeon"}, "offer_invalid"),
    "another's topic": ({}, {"topic": "#"}, "offer_invalid"),
    "a block size out of range": ({}, {"block_size": 255}, "offer_invalid"),
    "no window": ({}, {"window": 0}, "offer_invalid"),
    "a URL of another scheme": ({}, {"transport": "http", "url": "file:///etc/hostname"}, "offer_invalid"),
    "another model": ({"model": "lamp"}, {}, "model"),
    "another chip": ({"chip": "ESP32-C3"}, {}, "chip"),
    "more than the slot": ({"size": 200001}, {}, "size"),
    "a counter below its own": ({"counter": 4}, {}, "counter"),
    "no signature": ({"counter": 5}, {}, "signature"),
    "a signature that is none": ({"counter": 5}, {"signature": "????"}, "signature"),
    "a signature of something else": ({"counter": 5}, {"signature": base64.b64encode(bytes(64)).decode()}, "signature"),
}


@pytest.mark.parametrize(("facts", "changes", "reason"), REFUSALS.values(), ids=REFUSALS)
def test_what_must_not_be_taken_is_refused_at_once(
    house: House, start_board: StartBoard, facts: dict[str, Any], changes: dict[str, Any], reason: str
) -> None:
    start_board("--slot-size", "200000", "--counter", "5", "--public-key", PUBLIC_KEY)
    house.offer(BOARD, IMAGE, **({"manifest": manifest_of(IMAGE, **facts)} | changes))
    house.wait_for("status", state="failed", reason=reason, held=0, session=SESSION)
    assert states(house) == ["failed"]
    assert house.said("want") == []


@pytest.mark.parametrize("model", ["", "relay"])
def test_a_signed_image_is_taken(house: House, start_board: StartBoard, model: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(PUBLIC_KEY)
    board = start_board("--public-key", str(tmp_path / "key"))
    text = manifest_of(IMAGE, model=model, counter=7)
    house.offer(BOARD, IMAGE, manifest=text, signature=base64.b64encode(sign(text, KEY)).decode())
    confirmed(house)
    # What was installed raises the counter: an older image is history.
    board.wait_for("state", state="confirmed")
    assert house.said("announce")[-1]["counter"] == 7
    older = manifest_of(IMAGE[:4096], counter=6)
    house.offer(BOARD, IMAGE[:4096], manifest=older, session=OTHER_SESSION)
    house.wait_for("status", state="failed", reason="counter", session=OTHER_SESSION)


def test_what_runs_already_is_not_installed_again(house: House, start_board: StartBoard) -> None:
    start_board()
    house.offer(BOARD, IMAGE)
    confirmed(house)
    house.offer(BOARD, IMAGE)
    house.wait_for("status", session=SESSION, state="confirmed")
    house.offer(BOARD, IMAGE, session=OTHER_SESSION)
    house.wait_for("status", session=OTHER_SESSION, state="failed", reason="already_running")


def test_another_image_must_wait_and_the_same_one_changes_its_session(house: House, start_board: StartBoard) -> None:
    board = start_board("--rate", "200")
    house.offer(BOARD, IMAGE)
    board.wait_for("state", state="transferring")
    house.offer(BOARD, build_app(version="1.2.0", size=4096), session=OTHER_SESSION)
    house.wait_for("status", session=OTHER_SESSION, state="failed", reason="busy")
    house.offer(BOARD, IMAGE, session=OTHER_SESSION)
    house.wait_for("status", session=OTHER_SESSION, state="transferring")
    confirmed(house, session=OTHER_SESSION)


def test_a_session_cannot_change_its_image(house: House, start_board: StartBoard) -> None:
    board = start_board("--rate", "200", "--public-key", PUBLIC_KEY)
    text = manifest_of(IMAGE)
    house.offer(BOARD, IMAGE, manifest=text, signature=base64.b64encode(sign(text, KEY)).decode())
    board.wait_for("state", state="transferring")
    other = build_app(version="6.6.6", size=SIZE)
    house.offer(BOARD, other)
    house.wait_for("status", state="failed", reason="signature")
    text = manifest_of(other)
    house.offer(BOARD, other, manifest=text, signature=base64.b64encode(sign(text, KEY)).decode())
    house.wait_for("status", state="failed", reason="busy")
    confirmed(house)


def test_a_repeated_offer_disturbs_nothing(house: House, start_board: StartBoard) -> None:
    board = start_board("--rate", "200")
    house.offer(BOARD, IMAGE)
    board.wait_for("state", state="transferring")
    house.offer(BOARD, IMAGE)
    assert house.wait_for("status", state="transferring")["held"] > 0
    confirmed(house)
    assert house.frames <= BLOCKS + 1


def test_a_cancelled_session_is_over_but_its_blocks_are_kept(house: House, start_board: StartBoard) -> None:
    board = start_board("--rate", "200")
    house.offer(BOARD, IMAGE)
    board.wait_for("state", state="transferring")
    house.cancel(BOARD)
    house.wait_for("status", state="cancelled", session=SESSION)
    house.cancel(BOARD)
    house.wait_for("status", state="cancelled", session=SESSION)
    house.offer(BOARD, IMAGE)
    house.wait_for("status", state="cancelled", session=SESSION)
    house.offer(BOARD, IMAGE, session=OTHER_SESSION)
    assert house.wait_for("status", state="accepted", session=OTHER_SESSION)["held"] > 0
    confirmed(house, session=OTHER_SESSION)


def test_a_session_can_be_cancelled_while_it_waits_for_its_offer(house: House, start_board: StartBoard) -> None:
    board = start_board("--rate", "200")
    house.offer(BOARD, IMAGE)
    board.wait_for("state", state="transferring")
    board.kill()
    house.cancel(BOARD, OTHER_SESSION)
    house.cancel(BOARD)
    board = start_board()
    house.wait_for("availability", text="online")
    house.cancel(BOARD, OTHER_SESSION)
    house.cancel(BOARD)
    house.wait_for("status", state="cancelled", session=SESSION)
    assert OTHER_SESSION not in {status["session"] for status in house.said("status")}


def test_silence_ends_a_transfer_and_its_blocks_are_kept(house: House, start_board: StartBoard) -> None:
    house.deaf_after = 9
    start_board("--give-up", "0.5")
    house.offer(BOARD, IMAGE)
    house.wait_for("status", state="failed", reason="timeout", session=SESSION)
    house.deaf_after = 1 << 30
    house.offer(BOARD, IMAGE, session=OTHER_SESSION)
    house.wait_for("status", state="accepted", session=OTHER_SESSION, held=9 * 4096)
    confirmed(house, session=OTHER_SESSION)
    assert house.frames <= BLOCKS + 1


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("offer", b""),
        ("offer", b"[]"),
        ("offer", b'{"session": 5}'),
        ("offer", b'{"session": "../../../../etc/"}'),
        ("offer", b"[" * 1000),
        ("offer", b'{"session": "%s"}' % (b"0" * 2000)),
        ("cancel", b"\xff\xfe"),
        ("block", b""),
        ("block", b"\x01\x00" + bytes(30)),
    ],
)
def test_nonsense_is_dropped_and_nothing_else_happens(
    house: House, start_board: StartBoard, kind: str, payload: bytes
) -> None:
    house.deaf_after = 1
    board = start_board()
    house.offer(BOARD, IMAGE)
    board.wait_for("state", state="transferring")
    house.say(BOARD, kind, payload)
    board.wait_for("dropped")
    house.deaf_after = 1 << 30
    confirmed(house)


def test_two_boards_share_the_frames_of_one_topic(house: House, start_board: StartBoard) -> None:
    boards = {name: start_board(board=name) for name in (BOARD, "relay-2")}
    for name in boards:
        house.offer(name, IMAGE, topic=house.shared_topic(IMAGE))
    for board in boards.values():
        board.wait_for("state", state="confirmed")


def test_the_access_list_of_the_protocol_is_enough(tmp_path: Path, start_board: StartBoard) -> None:
    salt = b"twelve bytes"
    digest = pbkdf2_hmac("sha512", b"secret", salt, 101)
    entry = f"$7$101${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
    (tmp_path / "passwords").write_text(f"{BOARD}:{entry}\nhouse:{entry}\n")
    (tmp_path / "access").write_text(
        "pattern readwrite mqtt_ota/board/%u/#\npattern read mqtt_ota/image/#\nuser house\ntopic readwrite mqtt_ota/#\n"
    )
    files = (f"password_file {tmp_path}/passwords", f"acl_file {tmp_path}/access")
    with (
        run_mosquitto(tmp_path / "closed", *files) as closed,
        open_house(closed.port, user="house", password="secret") as house,
    ):
        start_board("--broker", f"127.0.0.1:{closed.port}", "--user", BOARD, "--password", "secret")
        house.offer(BOARD, IMAGE, topic=house.shared_topic(IMAGE))
        confirmed(house)


def test_a_root_of_one_s_own(broker: Mosquitto, start_board: StartBoard) -> None:
    with open_house(broker.port, root="home/ota") as house:
        start_board("--root", "home/ota")
        house.offer(BOARD, IMAGE)
        confirmed(house)


def test_a_board_can_live_inside_a_test(broker: Mosquitto, house: House, tmp_path: Path) -> None:
    settings = Settings(host=broker.host, port=broker.port, id=BOARD, state=tmp_path, chip="ESP32-S3", reboot_time=0.02)
    told: list[Event] = []
    board = Board(settings, Faults(repeat=True), told.append)
    board.start()
    try:
        board.wait_for("announced", version="1.0.0")
        house.offer(BOARD, IMAGE)
        board.wait_for("state", state="confirmed")
    finally:
        board.stop()
    assert told == board.events.told
    assert told[-1] == {"event": "stopped"}
    house.wait_for("availability", text="offline")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--fault", "melts"],
        ["--fault", "lose"],
        ["--fault", "repeat=2"],
        ["--order", "random"],
        ["--broker", "nowhere"],
    ],
    ids=" ".join,
)
def test_a_command_line_of_nonsense_ends_at_once(tmp_path: Path, arguments: list[str]) -> None:
    program = Program("--broker", "127.0.0.1:1", "--id", BOARD, "--state", str(tmp_path), *arguments)
    assert program.wait() == 2
    assert program.events.told == []
