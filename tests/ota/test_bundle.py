"""A release of files: what is read from it, and which are refused and why."""

from collections.abc import Callable
import hashlib

from hypothesis import given, strategies as st
import pytest

from custom_components.mqtt_ota.ota.board import Board
from custom_components.mqtt_ota.ota.bundle import (
    MAGIC,
    MAX_FILES,
    Bundle,
    File,
    check_for_agent,
    collide,
    is_bundle,
    is_safe_name,
    read_bundle,
    write_bundle,
)
from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from custom_components.mqtt_ota.ota.image import check_fits, inspect
from tests.firmware_images import build_app

FILES = (File(name="app.py", content=b"print('hello')\n"), File(name="lib/lamp.py", content=b""))
BUNDLE = Bundle(version="1.1.0", project="relay", files=FILES)
IMAGE = write_bundle(BUNDLE)


def line(content: bytes = b"x", name: str = "app.py") -> str:
    return f"file={len(content)} {hashlib.sha256(content).hexdigest()} {name}"


def image(*lines: str, content: bytes = b"x", project: str = "project=", version: str = "version=1") -> bytes:
    return "\n".join([MAGIC.decode().strip(), project, version, *lines]).encode() + b"\n\n" + content


def refusal(data: bytes, read: Callable[[bytes], object] = read_bundle) -> OtaError:
    with pytest.raises(OtaError) as caught:
        read(data)
    return caught.value


def board(chip: str) -> Board:
    return Board(id="b1", dialect="native", chip=chip)


def test_what_was_written_is_read() -> None:
    assert read_bundle(IMAGE) == BUNDLE
    assert is_bundle(IMAGE)
    assert not is_bundle(build_app())


def test_it_is_an_image_for_boards_that_run_micropython_alone() -> None:
    found = inspect(IMAGE)
    assert (found.chip, found.chip_id, found.version, found.project) == ("MicroPython", None, "1.1.0", "relay")
    assert (found.size, found.sha256) == (len(IMAGE), hashlib.sha256(IMAGE).hexdigest())
    check_fits(found, board("MicroPython"))
    for chip in ("ESP32-S3", "ESP8266", ""):
        with pytest.raises(OtaError) as caught:
            check_fits(found, board(chip))
        assert caught.value.reason is Reason.WRONG_CHIP


def test_firmware_is_not_for_micropython() -> None:
    for firmware in (build_app(), build_app(chip_id=0x7F)):
        with pytest.raises(OtaError) as caught:
            check_fits(inspect(firmware), board("MicroPython"))
        assert caught.value.reason is Reason.WRONG_CHIP


@pytest.mark.parametrize(
    "name", ["app.py", "a", "lib/umqtt/simple.py", "A-b_c.9", "main.py.txt", "lib/main.py", "x" * 96]
)
def test_a_safe_name(name: str) -> None:
    assert is_safe_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "/", "/app.py", "lib/", "lib//a.py", ".", "..", "../app.py", "lib/../app.py", ".mqtt_ota/journal.json"),
        *("lib/.hidden", "app\\x.py", "C:app.py", "ä.py", "a b", "a\0", "x" * 97, "~", "$HOME"),
    ],
)
def test_an_unsafe_name(name: str) -> None:
    assert not is_safe_name(name)
    assert refusal(image(line(name=name))).reason is Reason.IMAGE_BUNDLE


@pytest.mark.parametrize(
    "name",
    [
        *("main.py", "MAIN.PY", "boot.py", "mqtt_ota.py", "mqtt_ota.mpy", "settings.json"),
        *("json.py", "lib/json.mpy", "ssl/__init__.py", "lib/os/a.py", "Time.py"),
    ],
)
def test_what_starts_a_board_is_only_for_boards_without_the_agent(name: str) -> None:
    assert not is_safe_name(name)
    bundle = read_bundle(image(line(name=name)))
    with pytest.raises(OtaError) as caught:
        check_for_agent(bundle)
    assert (caught.value.reason, caught.value.placeholders) == (Reason.IMAGE_BUNDLE, {"detail": name})
    check_for_agent(BUNDLE)


@pytest.mark.parametrize("names", [("a", "a"), ("a.py", "A.py"), ("a", "a/b"), ("a/b/c", "A/B")])
def test_names_that_collide(names: tuple[str, str]) -> None:
    assert collide(names)
    assert refusal(image(*(line(name=name) for name in names), content=b"xx")).placeholders == {"detail": "names"}


@pytest.mark.parametrize("names", [(), ("a",), ("a", "b"), ("a/b", "a/c"), ("a", "aa/b"), ("a.b/c", "a/b")])
def test_names_that_do_not_collide(names: tuple[str, ...]) -> None:
    assert not collide(names)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (MAGIC, Reason.IMAGE_BUNDLE),
        (MAGIC + b"\n", Reason.IMAGE_BUNDLE),
        (MAGIC + b"project=\xff\nversion=1\n\n", Reason.IMAGE_BUNDLE),
        (MAGIC + b"x" * 9000 + b"\n\n", Reason.IMAGE_BUNDLE),
        (image(content=b""), Reason.IMAGE_BUNDLE),
        (image(line(), project="name=x"), Reason.IMAGE_BUNDLE),
        (image(line(), project="project=" + "x" * 65), Reason.IMAGE_BUNDLE),
        (image(line(), project="project=\x7f"), Reason.IMAGE_BUNDLE),
        (image(line(), version="version="), Reason.IMAGE_BUNDLE),
        (image(line(), version="v=1"), Reason.IMAGE_BUNDLE),
        (image(line().replace("=1", "=01")), Reason.IMAGE_BUNDLE),
        (image(line().replace("=1", "=-1")), Reason.IMAGE_BUNDLE),
        (image(line().upper()), Reason.IMAGE_BUNDLE),
        (image(line() + " "), Reason.IMAGE_BUNDLE),
        (image(*(line(b"", f"f{number}") for number in range(MAX_FILES + 1)), content=b""), Reason.IMAGE_BUNDLE),
        (image(line(), content=b""), Reason.IMAGE_TRUNCATED),
        (image(line(), content=b"xx"), Reason.IMAGE_TRAILING),
        (image(line(), content=b"y"), Reason.IMAGE_DIGEST),
    ],
)
def test_what_is_wrong_is_refused(data: bytes, reason: Reason) -> None:
    assert refusal(data).reason is reason
    assert refusal(data, inspect).reason is reason


def test_the_largest_release_is_taken() -> None:
    files = tuple(File(name=f"f{number}", content=bytes([number])) for number in range(MAX_FILES))
    bundle = Bundle(version="x" * 64, project="", files=files)
    assert read_bundle(write_bundle(bundle)) == bundle


@pytest.mark.parametrize(
    "bundle",
    [
        Bundle(version="1\nfile=0 x", project="", files=FILES),
        Bundle(version=f"1\n{line(b'', 'b.py')}", project="", files=FILES),
        Bundle(version="1", project="", files=()),
        Bundle(version="1", project="", files=(File(name="../app.py", content=b""),)),
    ],
)
def test_what_could_not_be_read_again_is_not_written(bundle: Bundle) -> None:
    with pytest.raises(OtaError) as caught:
        write_bundle(bundle)
    assert caught.value.reason is Reason.IMAGE_BUNDLE


def reason_of(data: bytes) -> Reason | None:
    try:
        read_bundle(data)
    except OtaError as err:
        return err.reason
    return None


@given(st.binary(max_size=400), st.booleans())
def test_nothing_else_is_raised(data: bytes, begins_well: bool) -> None:
    assert reason_of(MAGIC + data if begins_well else data) in {
        Reason.IMAGE_BUNDLE,
        Reason.IMAGE_DIGEST,
        Reason.IMAGE_TRAILING,
        Reason.IMAGE_TRUNCATED,
    }


@given(
    st.lists(st.tuples(st.from_regex(r"[a-c]{1,3}(/[a-c]{1,2})?", fullmatch=True), st.binary(max_size=20)), max_size=5)
)
def test_writing_and_reading_are_one(files: list[tuple[str, bytes]]) -> None:
    bundle = Bundle(version="1", project="p", files=tuple(File(name=name, content=content) for name, content in files))
    if not files or collide(name for name, _ in files):
        assert pytest.raises(OtaError, write_bundle, bundle)
    else:
        assert read_bundle(write_bundle(bundle)) == bundle


@given(st.integers(0, len(IMAGE) - 1), st.integers(1, 255))
def test_no_damage_goes_unnoticed_in_what_is_installed(place: int, change: int) -> None:
    damaged = bytearray(IMAGE)
    damaged[place] ^= change
    try:
        found = read_bundle(bytes(damaged))
    except OtaError:
        return
    # Only what no digest covers may have changed: names and the version.
    assert [file.content for file in found.files] == [file.content for file in FILES]
