"""The mesh against a real broker and a real server: one command for all, and failures that nobody hears of."""

import json
from typing import Any

import pytest

from tests.firmware_images import build_app
from tests.mosquitto import Mosquitto
from tests.seeds.conftest import NEEDS_BROKER, NEW, OLD, StartBoard
from tests.seeds.faults import Faults
from tests.seeds.mesh import ROOT, STATE, Mesh, Node
from tests.seeds.site import Page, Site
from tests.seeds.uploaders import Ear, open_ear

pytestmark = NEEDS_BROKER


def mesh_nodes(count: int = 3, **faults: Faults) -> list[Node]:
    return [Node(1000 + place, OLD, faults=faults.get(f"node{place}", Faults())) for place in range(count)]


def trigger(ear: Ear, url: str) -> None:
    ear.publish(ROOT, json.dumps({"type": "ota_trigger", "url": url}))


def start_mesh(start: StartBoard, nodes: list[Node], **options: Any) -> Mesh:
    return start(lambda settings, **more: Mesh(settings, nodes, **more), "domator", state_interval=0.05, **options)


def states_with(ear: Ear, image: bytes, nodes: list[Node]) -> None:
    """Wait until each of these nodes says that it runs this image."""
    for node in nodes:
        while True:
            state = json.loads(ear.hear(STATE)["payload"])
            if state.get("deviceId") == node.device_id and state["firmware"] == image[0xB0:0xC0].hex():
                break


def test_mesh_flashes_every_node_with_one_command(ear: Ear, start: StartBoard, site: Site) -> None:
    nodes = mesh_nodes()
    start_mesh(start, nodes)
    states_with(ear, OLD, nodes)
    trigger(ear, site.put("/new.bin", Page(NEW)))
    states_with(ear, NEW, nodes)
    assert [node.runs == NEW for node in nodes] == [True] * 3
    assert site.asked == ["/new.bin"] * 3


def test_mesh_tells_all_fields_of_each_node_on_one_topic_and_retains_none(
    broker: Mosquitto, ear: Ear, start: StartBoard
) -> None:
    start_mesh(start, mesh_nodes(2))
    states = [json.loads(ear.hear(STATE)["payload"]) for _ in range(2)]
    fields = "deviceId parentId type freeHeap uptime meshLayer peerCount clicks lowHeap firmware"
    assert [" ".join(state) for state in states] == [fields] * 2
    assert [state["deviceId"] for state in states] == [1000, 1001]
    assert [state["parentId"] for state in states] == [1000, 1000]
    assert states[0]["firmware"] == OLD[0xB0:0xC0].hex()
    with open_ear(broker.port) as late:
        assert late.hear(STATE)["retain"] is False


def test_mesh_cuts_an_address_at_199_characters(ear: Ear, start: StartBoard, site: Site) -> None:
    nodes = mesh_nodes(1)
    mesh = start_mesh(start, nodes)
    url = site.put("/", Page(NEW)).ljust(210, "x")
    trigger(ear, url)
    mesh.wait_for("failed", node=1000)
    assert nodes[0].asked == [url[:199]]


@pytest.mark.parametrize(
    "page",
    [Page(NEW, 500), Page(NEW, cut_at=5000), Page(build_app("ESP32-C3", size=6000)), Page(bytes(1408 * 1024 + 1))],
    ids=["an error", "cut off", "another chip", "too large"],
)
def test_mesh_fails_in_silence(ear: Ear, start: StartBoard, site: Site, page: Page) -> None:
    nodes = mesh_nodes(2)
    mesh = start_mesh(start, nodes)
    trigger(ear, site.put("/new.bin", page))
    failed = {mesh.wait_for("failed")["node"], mesh.wait_for("failed")["node"]}
    assert failed == {1000, 1001}
    states_with(ear, OLD, nodes)
    assert {one["topic"] for one in ear.events.told if "topic" in one} == {STATE, ROOT}


def test_mesh_follows_a_redirection(ear: Ear, start: StartBoard, site: Site) -> None:
    nodes = mesh_nodes(1)
    start_mesh(start, nodes)
    site.put("/real.bin", Page(NEW))
    trigger(ear, site.put("/new.bin", Page(b"", 302, {"Location": "/real.bin"})))
    states_with(ear, NEW, nodes)


@pytest.mark.parametrize("payload", ["{", "[]", '{"type":"other","url":"x"}', '{"type":"ota_trigger"}', "U", ""])
def test_mesh_ignores_what_is_no_trigger(ear: Ear, start: StartBoard, payload: str) -> None:
    nodes = mesh_nodes(1)
    mesh = start_mesh(start, nodes)
    ear.publish(ROOT, payload)
    states_with(ear, OLD, nodes)
    assert all(event["event"] != "trigger" for event in mesh.events.told)


def test_mesh_downloads_at_most_so_many_at_once(ear: Ear, start: StartBoard, site: Site) -> None:
    nodes = mesh_nodes(6)
    mesh = start_mesh(start, nodes, at_once=2)
    trigger(ear, site.put("/new.bin", Page(NEW)))
    states_with(ear, NEW, nodes)
    assert 1 <= mesh.most_at_once <= 2


def test_mesh_node_may_stay_old_and_another_may_stay_away(ear: Ear, start: StartBoard, site: Site) -> None:
    nodes = mesh_nodes(
        5,
        node1=Faults(comes_back_old=True),
        node2=Faults(never_comes_back=True),
        node3=Faults(power_cut=2000),
        node4=Faults(silent_at=0),
    )
    mesh = start_mesh(start, nodes)
    trigger(ear, site.put("/new.bin", Page(NEW)))
    restarted = {mesh.wait_for("restarted")["node"] for _ in range(4)}
    assert restarted == {1000, 1001, 1002, 1003}
    states_with(ear, NEW, nodes[:1])
    assert [node.runs == NEW for node in nodes] == [True, False, False, False, False]
    assert [node.lost for node in nodes] == [False, False, True, False, False]
    assert nodes[4].asked == []
    assert sum(map(len, nodes[3].writes)) < len(NEW)


def test_later_mesh_retains_that_it_is_there_and_leaves_word_that_it_is_gone(
    broker: Mosquitto, ear: Ear, start: StartBoard
) -> None:
    mesh = start_mesh(start, mesh_nodes(1), later=True)
    here = ear.hear(STATE, qos=1)
    told = json.loads(here["payload"])
    assert (told["status"], told["device_id"], told["firmware"]) == ("connected", 1000, "Nov 21 2026 10:30:00")
    mesh.stop()
    gone = json.loads(ear.hear(STATE, qos=1)["payload"])
    assert (gone["status"], gone["device_id"], gone["reason"]) == ("disconnected", 1000, "ungraceful")
    with open_ear(broker.port) as late:
        assert late.hear(STATE, retain=True)["payload"]


def test_later_mesh_flashes_the_one_node_that_is_told_to(ear: Ear, start: StartBoard, site: Site) -> None:
    nodes = mesh_nodes()
    mesh = start_mesh(start, nodes, later=True, url=site.put("/new.bin", Page(NEW)))
    trigger(ear, site.address)
    ear.publish("/switch/cmd/9999", "U")
    ear.publish("/switch/cmd/1001", "U")
    mesh.wait_for("restarted", node=1001)
    assert [node.runs == NEW for node in nodes] == [False, True, False]
    assert site.asked == ["/new.bin"]
