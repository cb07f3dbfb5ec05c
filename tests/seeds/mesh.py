"""A mesh whose root speaks for all: one command, and every node fetches the same URL."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
import json
import threading
import time
from typing import Any

from tests.board.events import Event

from .arduino import chip_of, is_bootable
from .device import Device
from .faults import Faults
from .fetch import Download
from .settings import Settings, Will

STATE = "/switch/state/root"
ROOT = "/switch/cmd/root"
SLOT_SIZE = 1408 * 1024

_LONGEST_URL = 199
_TIMEOUT = 10.0
_REDIRECTS = 10
_PIECE = 1024
_GLANCE = 0.05


@dataclass(slots=True)
class Node:
    """A board of the mesh; the first one is the root. Of the faults it knows the four that concern a download."""

    device_id: int
    runs: bytes
    kind: str = "switch"
    faults: Faults = field(default_factory=Faults)
    writes: list[bytes] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    flashes: int = 0
    lost: bool = False
    busy: bool = False
    started_at: float = field(default_factory=time.monotonic)

    @property
    def firmware(self) -> str:
        """Return what it calls its firmware: the first half of the program's digest."""
        return self.runs[0xB0:0xC0].hex()

    @property
    def build_time(self) -> str:
        """Return what later ones call it: when it was built."""
        date, clock = self.runs[0x80:0x90], self.runs[0x70:0x80]
        return f"{date.rstrip(b'\0').decode('latin-1')} {clock.rstrip(b'\0').decode('latin-1')}"


class Mesh(Device):
    """buttonsMeshIDF; `later` is the generation that has its URL compiled in. Failures are told to nobody.

    Its events are those of the root; a node's carry its `node`.
    """

    def __init__(
        self,
        settings: Settings,
        nodes: Sequence[Node],
        on_event: Callable[[Event], None] | None = None,
        *,
        faults: Faults | None = None,
        state_interval: float = 15.0,
        countdown: float = 0.05,
        restart_delay: float = 0.02,
        at_once: int = 50,
        later: bool = False,
        url: str = "",
    ) -> None:
        """Describe it; `at_once` downloads run at the same time, `restart_delay` is 1 on a real one.

        In the `countdown` before its download a node takes further commands for the same one.
        """
        super().__init__(settings, faults, on_event)
        self.nodes = list(nodes)
        # What the root's flash holds, where it was kept.
        self.nodes[0].runs = self._runs or self.nodes[0].runs
        self.most_at_once = 0
        self._state_interval = state_interval
        self._countdown = countdown
        self._restart_delay = restart_delay
        self._later = later
        self._url = url
        self._places = threading.Semaphore(at_once)
        self._fetching = 0
        self._count = threading.Lock()
        self._workers: list[threading.Thread] = []

    @property
    def runs(self) -> bytes:
        """Return the image that the root runs."""
        return self.nodes[0].runs

    def node(self, device_id: int) -> Node:
        """Return a node."""
        return next(one for one in self.nodes if one.device_id == device_id)

    def stop(self) -> None:
        """Take the power of all."""
        super().stop()
        for worker in self._workers:
            worker.join()

    def _will(self) -> Will | None:
        if not self._later:
            return None
        gone = {
            "status": "disconnected",
            "device_id": self.nodes[0].device_id,
            "timestamp": self._uptime(self.nodes[0]),
        }
        return Will(STATE, _dump({**gone, "reason": "ungraceful"}))

    def _boot(self) -> None:
        root = self.nodes[0]
        root.started_at = time.monotonic()
        root.busy = False
        self._next_state = 0.0

    def _connected(self) -> None:
        # The second one is heard by the first one already: brokers say such a message twice.
        for topic in ("/switch/cmd/+", ROOT, "/switch/cmd", "/relay/cmd/+", "/relay/cmd"):
            self._subscribe(topic, 0)
        self._next_state = time.monotonic() + self._state_interval
        if self._later:
            root = self.nodes[0]
            here: dict[str, Any] = {"status": "connected", "device_id": root.device_id}
            here |= {"timestamp": self._uptime(root), "firmware": root.build_time, "mesh_layer": 1}
            self._publish(STATE, _dump({**here, "ip": "127.0.0.1"}), 1, retain=True)

    def _tick(self, now: float) -> float:
        if self._next_state and now >= self._next_state:
            self._next_state = now + self._state_interval
            for node in self.nodes:
                if not node.lost:
                    self._publish(STATE, _dump(self._state_of(node)))
        return min(now + 1.0, self._next_state or now + 0.05)

    def _received(self, topic: str, payload: bytes) -> None:
        if self._later and payload == b"U":
            target = topic.rpartition("/")[2]
            chosen = [one for one in self.nodes if str(one.device_id) == target]
            if topic in {"/switch/cmd", "/relay/cmd"}:
                chosen = self.nodes
            elif topic == ROOT:
                chosen = self.nodes[:1]
            self._trigger(chosen, self._url)
        elif not self._later and topic == ROOT and payload.startswith(b"{"):
            try:
                command = json.loads(payload)
            except ValueError:
                return
            if command.get("type") == "ota_trigger" and isinstance(command.get("url"), str):
                cut = command["url"].encode()[:_LONGEST_URL].decode("utf-8", "replace")
                self._trigger(self.nodes, cut)

    def _state_of(self, node: Node) -> dict[str, Any]:
        root = self.nodes[0]
        is_root = node is root
        return {
            "deviceId": node.device_id,
            "parentId": root.device_id,
            "type": "root" if is_root else node.kind,
            "freeHeap": 150000,
            "uptime": self._uptime(node),
            "meshLayer": 1 if is_root else 2,
            "peerCount": len(self.nodes) - 1 if is_root else 0,
            "clicks": 0,
            "lowHeap": 0,
            "firmware": node.build_time if self._later else node.firmware,
        }

    @staticmethod
    def _uptime(node: Node) -> int:
        return int(time.monotonic() - node.started_at)

    def _trigger(self, nodes: Sequence[Node], url: str) -> None:
        for node in nodes:
            self._tell("trigger", node=node.device_id, url=url)
            if node.busy or node.lost or node.faults.silent_at is not None:
                continue
            node.busy = True
            worker = threading.Thread(target=self._update_node, args=(node, url, self.boots), daemon=True)
            self._workers.append(worker)
            worker.start()

    def _update_node(self, node: Node, url: str, life: int) -> None:
        self._ended.wait(self._countdown)
        with self._places:
            with self._count:
                self._fetching += 1
                self.most_at_once = max(self.most_at_once, self._fetching)
            try:
                image = self._fetch(node, url, life)
            except (OSError, ValueError) as err:
                self._tell("failed", node=node.device_id, cause=str(err))
                image = None
            finally:
                with self._count:
                    self._fetching -= 1
        if image is not None and not self._ended.wait(self._restart_delay):
            self._restart_node(node, image)
        node.busy = False

    def _fetch(self, node: Node, url: str, life: int) -> bytes:
        """Return a whole image; raises OSError or ValueError."""
        if node.faults.slow:
            self._ended.wait(node.faults.slow)
        node.asked.append(url)
        download = Download(url, timeout=_TIMEOUT, redirects=_REDIRECTS)
        try:
            if download.status != 200:
                raise ValueError(f"status {download.status}")
            image = self._receive(node, download, life)
        finally:
            download.close()
        if download.length not in {None, len(image)} or not is_bootable(image, chip_of(node.runs)):
            raise ValueError("not a whole image for this chip")
        return image

    def _receive(self, node: Node, download: Download, life: int) -> bytes:
        got = bytearray()
        heard_at = time.monotonic()
        while download.length is None or len(got) < download.length:
            if self._ended.is_set() or (node is self.nodes[0] and life != self.boots):
                raise ConnectionError("the power went")
            piece = download.read(_PIECE, _GLANCE)
            if piece is None:
                if time.monotonic() - heard_at > _TIMEOUT:
                    raise TimeoutError("nothing came")
                continue
            if not piece:
                break
            heard_at = time.monotonic()
            got += piece
            node.writes.append(piece)
            if len(got) > SLOT_SIZE:
                raise ValueError("too large for the slot")
            cut = node.faults.power_cut
            if cut is not None and len(got) - len(piece) < cut <= len(got):
                self._restart_node(node, None)
                raise ConnectionError("the power went")
        return bytes(got)

    def _restart_node(self, node: Node, image: bytes | None) -> None:
        """Let a node start again, with another image where there is one."""
        seconds: float | None = self.settings.restart_time
        if image is not None:
            node.flashes += 1
            if node.faults.never_comes_back:
                node.lost, seconds = True, None
            elif not node.faults.comes_back_old:
                node.runs = image
                self._keep(node)
        node.started_at = time.monotonic()
        cause = "power_cut" if image is None else "update"
        if node is self.nodes[0]:
            self._order_power(cause, seconds)
        self._tell("restarted", node=node.device_id, cause=cause)

    def _keep(self, node: Node) -> None:
        if node is self.nodes[0]:
            self.settings.save(node.runs)


def _dump(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()
