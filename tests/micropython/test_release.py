"""A release of files on a board: what it must not carry, who packs it, and the way it comes by TLS."""

from collections.abc import Callable, Iterator
import datetime as dt
from hashlib import sha256
from pathlib import Path
import runpy
import subprocess
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
import pytest

from custom_components.mqtt_ota.ota.bundle import Bundle, File, read_bundle, write_bundle
from tests.board.house import House, manifest_of, open_house
from tests.board.program import Program
from tests.board.test_board import OTHER_SESSION, confirmed
from tests.e2e.harness.ports import reserved_port
from tests.mosquitto import Mosquitto, run_mosquitto

from .interpreter import AGENT, ON_BOARD, PROGRAM, ask, needs_micropython, needs_mosquitto, raw

pytestmark = [needs_micropython, needs_mosquitto, pytest.mark.usefixtures("socket_enabled")]

PACK = AGENT.with_name("pack.py")
pack = runpy.run_path(str(PACK))["pack"]
BOARD = "relay-1"
FILES = {"app.py": b"print('new')\n" * 900, "lib/lamp.py": b""}
IMAGE = pack("1.1.0", list(FILES.items()))

type StartBoard = Callable[..., Program]


@pytest.fixture(autouse=True)
def _micropython(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOARD_PROGRAM", f"{PROGRAM} {ON_BOARD / 'board.py'}")


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
    running: list[Program] = []

    def start(*arguments: str) -> Program:
        where = ("--broker", f"127.0.0.1:{broker.port}", "--id", BOARD, "--state", str(tmp_path / BOARD))
        running.append(Program(*where, "--reboot-time", "0.02", "--ask-timeout", "0.2", *arguments))
        return running[-1]

    yield start
    for program in running:
        program.kill()


def offer(house: House, image: bytes, version: str = "1.1.0", **changes: str) -> None:
    house.offer(BOARD, image, manifest=manifest_of(image, chip="MicroPython", version=version), **changes)


def files(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith(".mqtt_ota/")}


def head(*lines: str, content: bytes = b"x") -> bytes:
    return "\n".join(["mqtt_ota files 1", "project=", "version=1.1.0", *lines]).encode() + b"\n\n" + content


def line(name: str, content: bytes = b"x", digest: str = "") -> str:
    return f"file={len(content)} {digest or sha256(content).hexdigest()} {name}"


def test_a_release_of_files_goes_all_the_way(house: House, start_board: StartBoard, tmp_path: Path) -> None:
    start_board().wait_for("announced")
    assert house.wait_for("announce")["chip"] == "MicroPython"
    offer(house, IMAGE)
    confirmed(house)
    assert files(tmp_path / BOARD) == FILES


WRONG = {
    "no head": b"x" * 5000,
    "no file": head(),
    "what tells boards apart": head(line("settings.json")),
    "a module that the agent imports": head(line("lib/json.py")),
    "a folder before the agent": head(line("mqtt_ota/__init__.py")),
    "a path upwards": head(line("../app.py")),
    "an absolute path": head(line("/tmp/mqtt_ota_was_here")),
    "the agent's own folder": head(line(".mqtt_ota/journal.json")),
    "what starts the board": head(line("main.py")),
    "two names that are one": head(line("a.py"), line("A.py"), content=b"xx"),
    "a file in a file": head(line("a"), line("a/b"), content=b"xx"),
    "a file that is a folder there": head(line("b.py"), line("lib"), content=b"xx"),
    "a folder that is a file there": head(line("b.py"), line("app.py/c.py"), content=b"xx"),
    "a wrong digest of the second file": head(line("a"), line("b", digest="0" * 64), content=b"xx"),
    "less than it says": head(line("a"), line("b")),
    "more than it says": head(line("a"), content=b"xx"),
}


@pytest.mark.parametrize("image", WRONG.values(), ids=WRONG)
def test_a_wrong_release_changes_nothing_and_a_good_one_may_follow(
    house: House, start_board: StartBoard, tmp_path: Path, image: bytes
) -> None:
    before = {"app.py": b"old", "lib/own.py": b"mine"}
    for name, content in before.items():
        path = tmp_path / BOARD / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    start_board().wait_for("announced")
    offer(house, image)
    assert house.wait_for("status", state="failed")["reason"] in {"image", "flash"}
    assert files(tmp_path / BOARD) == before
    assert not Path("/tmp/mqtt_ota_was_here").exists()
    offer(house, IMAGE, session=OTHER_SESSION)
    confirmed(house, session=OTHER_SESSION)
    assert files(tmp_path / BOARD) == FILES | {"lib/own.py": b"mine"}


@pytest.mark.parametrize("image", WRONG.values(), ids=WRONG)
def test_home_assistant_and_the_board_agree_on_what_is_wrong(image: bytes) -> None:
    # Neither digests of single files nor folders can be judged from a head alone.
    if image not in {WRONG[name] for name in WRONG if "that is a" in name or "digest" in name}:
        assert ask([["read_release", raw(image)]]) == ["ValueError"]


def test_the_tool_packs_what_home_assistant_packs(tmp_path: Path) -> None:
    folder = tmp_path / "application"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    for left_out in ("__pycache__/app.pyc", ".hidden", ".git/config", "lib/__pycache__/lamp.pyc"):
        (folder / left_out).parent.mkdir(exist_ok=True)
        (folder / left_out).write_bytes(b"x")
    command = [
        sys.executable,
        str(PACK),
        "1.1.0",
        str(tmp_path / "a.bin"),
        "--folder",
        str(folder),
        "--project",
        "relay",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    image = (tmp_path / "a.bin").read_bytes()
    bundle = Bundle(version="1.1.0", project="relay", files=tuple(File(name=n, content=c) for n, c in FILES.items()))
    assert image == write_bundle(bundle)
    assert read_bundle(image) == bundle
    assert sha256(image).hexdigest() in done.stdout
    (version, found) = ask([["read_release", raw(image)]])[0]
    assert (version, [(name, image[offset : offset + size]) for name, size, _, offset in found]) == (
        "1.1.0",
        list(FILES.items()),
    )


def test_the_example_of_the_document_is_an_image() -> None:
    document = PACK.with_name("README.md").read_text()
    image = pack("1.1.0", [("app.py", b"print('hello')"), ("lib/lamp.py", b"")], "relay")
    assert image.removesuffix(b"print('hello')").decode() in document


@pytest.mark.parametrize(
    ("version", "contents"),
    [
        ("", {"a": b""}),
        ("1\n", {"a": b""}),
        ("x" * 65, {"a": b""}),
        ("1", {}),
        ("1", {f"f{number}": b"" for number in range(65)}),
        ("1", {"main.py": b""}),
        ("1", {"Settings.json": b""}),
        ("1", {"mqtt_ota/__init__.py": b""}),
        ("1", {"lib/json.mpy": b""}),
        ("1", {"ssl/ca.der": b""}),
        ("1", {"a b": b""}),
        ("1", {"a": b"", "A": b""}),
        ("1", {"a": b"", "a/b": b""}),
        ("1", {f"{number}".rjust(96, "x"): b"" for number in range(60)}),
    ],
)
def test_the_tool_says_what_a_board_would_refuse(version: str, contents: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        pack(version, list(contents.items()))


def test_the_tool_packs_what_starts_a_board_where_no_agent_updates_it() -> None:
    files = {"main.py": b"import app\n", "lib/json.py": b""}
    image = pack("1.1.0", list(files.items()), with_agent=False)
    assert {file.name: file.content for file in read_bundle(image).files} == files
    with pytest.raises(ValueError, match="no name"):
        pack("1.1.0", [("../main.py", b"")], with_agent=False)


def certificate(
    folder: Path, file: str, name: str, issuer: tuple[str, ec.EllipticCurvePrivateKey] | None = None
) -> ec.EllipticCurvePrivateKey:
    """Write a key and a certificate, signed by itself or by its issuer."""
    key = ec.generate_private_key(ec.SECP256R1())
    day = dt.timedelta(days=1)
    now = dt.datetime.now(dt.UTC)
    issuer_name, issuer_key = issuer or (name, key)
    written = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer_name)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    (folder / f"{file}.pem").write_bytes(written.public_bytes(serialization.Encoding.PEM))
    (folder / f"{file}.der").write_bytes(written.public_bytes(serialization.Encoding.DER))
    traditional = serialization.PrivateFormat.TraditionalOpenSSL
    unlocked = serialization.NoEncryption()
    (folder / f"{file}.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, traditional, unlocked))
    return key


@pytest.mark.parametrize(
    ("trusted", "name", "is_reached"),
    [
        ("ca.der", "localhost", True),
        ("ca.pem", "localhost", True),
        ("other.der", "localhost", False),
        ("ca.der", "elsewhere", False),
    ],
)
def test_tls_trusts_one_authority_and_checks_the_broker_s_name(
    tmp_path: Path, start_board: StartBoard, trusted: str, name: str, is_reached: bool
) -> None:
    authority = certificate(tmp_path, "ca", "authority")
    certificate(tmp_path, "server", name, ("authority", authority))
    certificate(tmp_path, "other", "authority")
    with reserved_port() as port:
        secure = (
            f"listener {port} 127.0.0.1",
            f"cafile {tmp_path}/ca.pem",
            f"certfile {tmp_path}/server.pem",
            f"keyfile {tmp_path}/server.key",
        )
        with run_mosquitto(tmp_path / "secure", *secure) as secured, open_house(secured.port) as house:
            board = start_board("--broker", f"localhost:{port}", "--ca", str(tmp_path / trusted))
            if is_reached:
                house.wait_for("availability", text="online")
                offer(house, IMAGE)
                confirmed(house)
            else:
                board.wait_for("unreachable")
                assert house.said("announce") == []


@pytest.mark.parametrize(
    ("name", "is_in_the_way"),
    [
        *((name, True) for name in ("settings.json", "json.py", "lib/socket.mpy", "asyncio/core.py", "lib/ssl/ca.der")),
        *((name, True) for name in ("mqtt_ota/__init__.py", "MQTT_OTA/x", "Time.py")),
        *((name, False) for name in ("lib/settings.json", "json", "time.txt", "lib", "app/json.py", "jsonrpc.py")),
        *((name, False) for name in ("lib/lib/json.py", "network.json", "lib/umqtt/simple.py", "mqtt_ota_app.py")),
    ],
)
def test_the_tool_and_the_board_agree_on_what_is_in_the_way(name: str, is_in_the_way: bool) -> None:
    assert ask([["is_in_the_way", name]]) == [is_in_the_way]
    if is_in_the_way:
        with pytest.raises(ValueError, match="stays as it is|imports"):
            pack("1", [(name, b"")])
    else:
        assert pack("1", [(name, b"")])
