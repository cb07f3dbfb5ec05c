"""Programs as images: which are taken for `host` boards, and why others are refused."""

from struct import pack

from hypothesis import given, strategies as st
import pytest

from custom_components.mqtt_ota.ota.board import Board
from custom_components.mqtt_ota.ota.elf import check_program, is_elf
from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from custom_components.mqtt_ota.ota.image import check_fits, inspect
from tests.firmware_images import build_app

X86, ARM, XTENSA, X86_64, AARCH64, RISC_V = 3, 40, 94, 62, 183, 243


def program(
    machine: int = X86_64, *, wide: bool = True, kind: int = 3, order: int = 1, version: int = 1, segments: int = 1
) -> bytes:
    """Build what `check_program` looks at: head, segments, something between, sections."""
    identity = b"\x7fELF" + bytes([2 if wide else 1, order, version]) + bytes(9)
    head, segment, section = (64, 56, 64) if wide else (52, 32, 40)
    sections_at = head + segments * segment + 1000
    rest = pack("<QQQI" if wide else "<IIII", 0x1000, head, sections_at, 0)
    rest += pack("<HHHHHH", head, segment, segments, section, 3, 2)
    data = identity + pack("<HHI", kind, machine, 1) + rest
    return data + bytes(sections_at + 3 * section - len(data))


def refusal(data: bytes) -> OtaError:
    with pytest.raises(OtaError) as caught:
        inspect(data)
    return caught.value


@pytest.mark.parametrize(
    ("machine", "wide"), [(X86, False), (ARM, False), (X86_64, True), (AARCH64, True), (RISC_V, True)]
)
@pytest.mark.parametrize("kind", [2, 3])
def test_a_program_is_an_image_for_host_boards_alone(machine: int, wide: bool, kind: int) -> None:
    data = program(machine, wide=wide, kind=kind)
    image = inspect(data)
    assert (image.chip, image.chip_id, image.version, image.size) == ("host", None, "", len(data))
    check_fits(image, Board(id="b1", dialect="native", chip="host"))
    for chip in ("ESP32-S3", "ESP8266", "MicroPython", ""):
        with pytest.raises(OtaError) as caught:
            check_fits(image, Board(id="b1", dialect="native", chip=chip))
        assert caught.value.reason is Reason.WRONG_CHIP


def test_a_host_board_takes_no_firmware_for_a_chip() -> None:
    with pytest.raises(OtaError) as caught:
        check_fits(inspect(build_app()), Board(id="b1", dialect="native", chip="host"))
    assert caught.value.reason is Reason.WRONG_CHIP


@pytest.mark.parametrize(
    "data",
    [
        program(XTENSA, wide=False),
        program(RISC_V, wide=False),
        program(kind=1),
        program(order=2),
        program(version=0),
        program(segments=0),
        program()[:52] + pack("<H", 63) + program()[54:],
        b"\x7fELF\x03\x01\x01" + bytes(60),
    ],
    ids=["esp32-elf", "esp32-c3-elf", "object", "big-endian", "version", "segments", "short-head", "class"],
)
def test_what_no_host_board_runs_is_refused_like_any_other_file(data: bytes) -> None:
    error = refusal(data)
    assert (error.reason, error.placeholders) == (Reason.IMAGE_NOT_ESP, {"start": "7f 45 4c 46"})


@pytest.mark.parametrize("wide", [True, False])
def test_a_program_that_lost_its_end_is_refused(wide: bool) -> None:
    data = program(wide=wide, machine=X86_64 if wide else ARM)
    for size in (4, 15, 16, 51, 100, len(data) - 1):
        error = refusal(data[:size])
        assert error.reason is Reason.IMAGE_TRUNCATED
        assert int(error.placeholders["size"]) == size < int(error.placeholders["expected"]) <= len(data)


def test_other_images_are_no_programs() -> None:
    assert is_elf(program())
    assert not is_elf(build_app())
    assert not is_elf(b"")


@given(st.binary(max_size=80))
def test_whatever_follows_the_magic_is_taken_or_refused(rest: bytes) -> None:
    reason = None
    try:
        check_program(b"\x7fELF" + rest)
    except OtaError as error:
        reason = error.reason
    assert reason in {None, Reason.IMAGE_NOT_ESP, Reason.IMAGE_TRUNCATED}
