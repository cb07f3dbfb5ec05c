"""The URL board against a real broker and a real server: each text, and each silence."""

import threading
from typing import Any

import pytest

from tests.firmware_images import build_app
from tests.mosquitto import Mosquitto
from tests.seeds.conftest import NEEDS_BROKER, NEW, OLD, StartBoard
from tests.seeds.faults import Faults
from tests.seeds.link import packet_size
from tests.seeds.site import Page, Site
from tests.seeds.uploaders import Ear, open_ear
from tests.seeds.url import CHECKSUM_FAILED, COMPLETE, STARTING, UPDATE_FAILED, UrlBoard

pytestmark = NEEDS_BROKER


def url_board(start: StartBoard, **options: Any) -> UrlBoard:
    return start(UrlBoard, "esp32-kitchen", **options)


STATUS = "esp32-kitchen/progress"
URL_TOPIC = "ESP32/ota/update"


def test_url_flashes_what_the_topic_for_all_names(ear: Ear, start: StartBoard, site: Site) -> None:
    board, other = url_board(start), start(UrlBoard, "esp32-garage")
    ear.publish(URL_TOPIC, site.put("/new.bin", Page(NEW)))
    said_so = {ear.events.wait_for("message", payload=COMPLETE.encode())["topic"] for _ in range(2)}
    assert said_so == {STATUS, "esp32-garage/progress"}
    for one in (board, other):
        one.wait_for("connected")
        assert one.runs == NEW
    said = [text.decode() for text in ear.heard(STATUS)]
    assert said[0] == STARTING
    assert said[-1] == COMPLETE
    assert said[-2] == "OTA Progress: 100%"
    assert all(text.startswith("OTA Progress: ") and text.endswith("0%") for text in said[1:-1])


def test_url_says_a_percentage_more_than_once_for_a_large_image(ear: Ear, start: StartBoard, site: Site) -> None:
    url_board(start)
    ear.publish(URL_TOPIC, site.put("/new.bin", Page(build_app(size=64 * 1024))))
    ear.hear(STATUS, COMPLETE)
    # It reads 128 bytes at a time, and speaks after each piece.
    assert ear.heard(STATUS)[1] == b"OTA Progress: 0%"
    assert ear.heard(STATUS).count(b"OTA Progress: 50%") > 1


def test_url_retains_no_status(broker: Mosquitto, ear: Ear, start: StartBoard, site: Site) -> None:
    url_board(start)
    ear.publish(URL_TOPIC, site.put("/new.bin", Page(NEW)))
    ear.hear(STATUS, COMPLETE)
    with open_ear(broker.port) as late:
        late.publish("end", b"")
        late.hear("end")
        assert late.heard(STATUS) == []


@pytest.mark.parametrize(
    "page",
    [Page(NEW, 404), Page(b"", 302, {"Location": "/other.bin"}), Page(b""), Page(bytes(0x140001))],
    ids=["not found", "a redirection", "empty", "too large"],
)
def test_url_says_nothing_when_the_download_fails(ear: Ear, start: StartBoard, site: Site, page: Page) -> None:
    site.put("/other.bin", Page(NEW))
    board = url_board(start)
    ear.publish(URL_TOPIC, site.put("/new.bin", page))
    board.wait_for("failed")
    ear.publish(URL_TOPIC, site.put("/good.bin", Page(NEW)))
    ear.hear(STATUS, COMPLETE)
    assert ear.heard(STATUS).count(STARTING.encode()) == 1


@pytest.mark.parametrize("url", ["", "no address", "https://127.0.0.1/x", "http://127.0.0.1:1/x", "http://[", "\0"])
def test_url_says_nothing_to_what_it_cannot_ask(ear: Ear, start: StartBoard, site: Site, url: str) -> None:
    board = url_board(start)
    ear.publish(URL_TOPIC, url)
    board.wait_for("failed")
    assert ear.heard(STATUS) == []
    assert board.boots == 1


def test_url_says_that_the_checksum_failed_when_not_a_byte_came(ear: Ear, start: StartBoard, site: Site) -> None:
    board = url_board(start)
    ear.publish(URL_TOPIC, site.put("/new.bin", Page(NEW, cut_at=0)))
    ear.hear(STATUS, CHECKSUM_FAILED)
    assert board.runs == OLD


@pytest.mark.parametrize(
    "page",
    [
        Page(NEW, cut_at=5000),
        Page(b"\0" * 6000),
        Page(NEW[:-1] + b"\0"),
        Page(b"5\r\nhello\r\n0\r\n\r\n", headers={"Transfer-Encoding": "chunked"}),
    ],
    ids=["cut off", "no image", "a wrong byte", "chunked"],
)
def test_url_says_that_the_update_failed_when_the_image_is_not_whole(
    ear: Ear, start: StartBoard, site: Site, page: Page
) -> None:
    board = url_board(start)
    ear.publish(URL_TOPIC, site.put("/new.bin", page))
    ear.hear(STATUS, UPDATE_FAILED)
    ear.publish(URL_TOPIC, site.put("/good.bin", Page(NEW)))
    ear.hear(STATUS, COMPLETE)
    board.wait_for("connected")
    assert board.runs == NEW


def test_url_takes_an_image_whose_length_nobody_said(ear: Ear, start: StartBoard, site: Site) -> None:
    board = url_board(start)
    ear.publish(URL_TOPIC, site.put("/new.bin", Page(NEW, headers={})))
    ear.hear(STATUS, COMPLETE)
    board.wait_for("connected")
    assert board.runs == NEW


def test_url_flashes_at_every_reconnect_what_was_retained(ear: Ear, start: StartBoard, site: Site) -> None:
    board = url_board(start)
    ear.publish(URL_TOPIC, site.put("/new.bin", Page(NEW)), retain=True)
    for _ in range(3):
        ear.hear(STATUS, COMPLETE)
    ear.publish(URL_TOPIC, b"", retain=True)
    assert site.asked.count("/new.bin") >= 3
    assert board.runs == NEW


def test_url_drops_without_a_word_a_command_that_is_larger_than_its_buffer(
    ear: Ear, start: StartBoard, site: Site
) -> None:
    board = url_board(start)
    room = 256 - packet_size(URL_TOPIC, b"x" * 200, 0) + 200
    url = site.put("/new.bin?", Page(NEW))
    ear.publish(URL_TOPIC, url.ljust(room + 1, "x"))
    board.wait_for("vanished", size=257)
    path = url.ljust(room, "x").removeprefix(site.address)
    ear.publish(URL_TOPIC, site.put(path, Page(NEW)))
    ear.hear(STATUS, COMPLETE)


def test_url_begins_nothing_with_a_second_command_in_the_middle(ear: Ear, start: StartBoard, site: Site) -> None:
    board = url_board(start)
    gate = threading.Event()
    ear.publish(URL_TOPIC, site.put("/new.bin", Page(NEW, gate=gate)))
    ear.hear(STATUS, STARTING)
    ear.publish(URL_TOPIC, site.put("/other.bin", Page(NEW)))
    gate.set()
    board.wait_for("failed")
    ear.hear(STATUS, COMPLETE)
    assert ear.heard(STATUS).count(STARTING.encode()) == 1


def test_url_does_not_say_that_it_is_complete_soon_after_its_start(ear: Ear, start: StartBoard, site: Site) -> None:
    board = url_board(start, quiet_time=60.0)
    ear.publish(URL_TOPIC, site.put("/new.bin", Page(NEW)))
    board.wait_for("powerless", cause="update")
    board.wait_for("connected")
    assert ear.heard(STATUS)[-1] == b"OTA Progress: 100%"
    assert board.runs == NEW


@pytest.mark.parametrize("text", [CHECKSUM_FAILED, UPDATE_FAILED])
def test_url_fails_with_each_of_its_words_where_a_fault_says_so(
    ear: Ear, start: StartBoard, site: Site, text: str
) -> None:
    board = url_board(start, faults=Faults(answer_at=(2, text)))
    ear.publish(URL_TOPIC, site.put("/new.bin", Page(NEW)))
    ear.hear(STATUS, text)
    assert board.runs == OLD
    ear.publish(URL_TOPIC, site.put("/new.bin", Page(NEW)))
    ear.hear(STATUS, COMPLETE)


def test_url_loses_its_power_half_way(ear: Ear, start: StartBoard, site: Site) -> None:
    board = url_board(start, faults=Faults(power_cut=4096))
    ear.publish(URL_TOPIC, site.put("/new.bin", Page(NEW)))
    board.wait_for("powerless", cause="power_cut")
    board.wait_for("connected")
    assert board.runs == OLD
