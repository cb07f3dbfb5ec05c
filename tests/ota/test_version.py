"""The order of versions: what is newer, what is the same, and what cannot be known."""

from itertools import chain, combinations, pairwise, permutations

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.mqtt_ota.ota import version
from custom_components.mqtt_ota.ota.version import is_newer, is_of_series, is_same, newest_first, sort_key

# Each line from old to new, each version older than every one behind it.
LADDERS = {
    "numbers": ["0.9", "0.10", "1", "1.0.1", "1.2", "1.2.3", "1.2.10", "1.10.0", "2", "10.0"],
    "four numbers": ["1.2.3", "1.2.3.1", "1.2.3.4", "1.2.3.10", "1.2.4"],
    "semantic versioning's own example": [
        *("1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11"),
        *("1.0.0-rc.1", "1.0.0", "1.0.1-0.3.7", "1.0.1-x.7.z.92", "1.0.1"),
    ],
    "pre-releases without a dot": ["1.0.0-rc1", "1.0.0-rc9", "1.0.0-rc10", "1.0.0"],
    "Python's and Home Assistant's": ["2026.11.0.dev0", "2026.11.0b0", "2026.11.0b3", "2026.11.0rc1", "2026.11.0"],
    "ESPHome's": ["2026.10.3", "2026.11.0-dev", "2026.11.0b1", "2026.11.0", "2026.11.1", "2026.12.0b1"],
    "daily builds": ["1.9", "2.0-nightly.20261120", "2.0-dev.20261121", "2.0-snapshot.20261122", "2.0-alpha1", "2.0"],
    "v before the number": ["v0.9", "V1.0-beta", "v1.0", "v.1.1", "v2"],
    "words before the number": ["release-1.2.2", "lamp-v1.2.3", "firmware/v1.2.4", "Tasmota v1.2.10", "rel_1_3"],
    "git describe": [
        *("1.2.3-rc1", "1.2.3-rc1-2-gabc1234", "1.2.3-rc2", "1.2.3", "1.2.3-dirty", "1.2.3-1-gfedcba9"),
        *("1.2.3-4-gabc1234", "1.2.3-4-gabc1234-dirty", "1.2.3-10-gabc1234", "1.2.4-rc1", "1.2.4"),
    ],
    "git describe as versioneer writes it": ["1.2.3", "1.2.3+4.gabc1234", "1.2.3+10.gabc1234.dirty", "1.2.4"],
    "git describe cut by the descriptor": ["v5.0-beta1", "v5.0-beta1-427-g4532e6e0b2-dirt", "v5.0-beta2", "v5.0"],
    "git describe on a dated tag": ["qa-v5.0-20220829-9-gabc1234", "qa-v5.0-20220830", "qa-v5.0-20220830-4-g4532e6"],
    "dates": ["20251231", "2026.1.1", "2026-02-28", "20261120", "2026.11.21", "20261122", "2027.1"],
    "times": ["20261121", "202611210900", "2026-11-21 09:30", "20261121103000", "2026-11-21T10:30:01Z", "20261122"],
    "builds of a day": ["20261121", "20261121-1", "20261121-2", "20261121.0.1", "20261122"],
    "not a date": ["20260101", "20261399", "20269999"],
    "packagers' revisions": ["1.2.3", "1.2.3-1", "1.2.3-2", "1.2.3-10", "1.2.4"],
    "fixes afterwards": ["1.2.3", "1.2.3-hotfix", "1.2.3-hotfix2", "1.2.3-patch3", "1.2.3.post4", "1.2.4"],
    "build numbers": ["build 7", "build8", "r12", "b-120"],
    "Tasmota": ["15.4.0(tasmota)", "15.4.0.1(tasmota)", "15.5.0(release-tasmota)", "16.0.0(lite)"],
    "a hash behind the number": ["1.2.2-abc1234", "1.2.3-dev-abc1234", "1.2.3_abc1234", "1.2.4+abc1234"],
    "from numbers to dates": ["0.118.5", "1.2.3", "2020.12.0", "20210101"],
}

SAME = [
    ["1.2.3", "v1.2.3", "V1.2.3", " 1.2.3\n", "1.2.3.0", "01.02.03", "release-1.2.3", "release/v1.2.3", "v1_2_3"],
    ["1.2.3", "1.2.3-release", "1.2.3-final", "1.2.3-0-gabc1234", "lamp_v1.2.3"],
    ["1", "1.0", "1.0.0", "v1"],
    ["0", "0.0", "v0.0.0"],
    ["1.0-rc1", "1.0rc1", "1.0-rc.1", "1.0.0_RC1", "1.0~rc1", "1.0-pre1", "1.0-preview-1"],
    ["1.0-beta2", "1.0b2", "1.0 Beta 2"],
    ["20261121", "2026-11-21", "2026.11.21"],
    ["15.5.0", "15.5.0(tasmota)"],
    ["1.2.3", "1.2.3+build5"],
    ["1.2.3+build5", "v1.2.3+build5"],
    ["1.2.3-4-gabc1234", "1.2.3-4-gabc1234def", "1.2.3-4", "1.2.3+4.gabc1234", "v1.2.3-4-gABC1234"],
    ["abc1234", "gabc1234", "abc1234def5678", "ABC1234"],
    ["nightly", "nightly"],
    ["qa-test-v5.0-20220830-4-g4532e6", "qa-test-v5.0-20220830-4-g4532e6e0b2-dirty"],
]

DIFFERENT = [
    ("1.2.3", "1.2.4"),
    ("1.2.3", "1.2.3-rc1"),
    ("1.2.3", "1.2.3-dirty"),
    ("15.5.0(tasmota)", "15.5.0(lite)"),
    ("1.2.3+build5", "1.2.3+build6"),
    ("1.2.3+build5", "1.2.3+build55"),
    ("1.2.3-4-gabc1234", "1.2.3-4-gdef5678"),
    ("1.2.3-abc1234", "1.2.3-def5678"),
    ("abc1234", "def5678"),
    ("abc1234", "abc1234-dirty"),
    ("nightly", "latest"),
    ("abc1234", "1.2.3"),
    ("", ""),
    ("", "1.2.3"),
    ("  ", "  "),
]

UNORDERED = [
    *("", " ", "latest", "nightly", "unknown", "abc1234", "4532e6e", "gabc1234", "abc1234-dirty", "v", "1.2.3!", "-1"),
    *("3059e6b55a965865febd28fa9f6028ad", "9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca7"),
    *("١.٢.٣", "1" * 200, "1." * 100 + "1", "{{ 1.2 }}", "<b>1.2</b>", "\x001.2"),
]

known_versions = st.sampled_from(
    sorted({*chain.from_iterable((*LADDERS.values(), *SAME, *DIFFERENT)), *UNORDERED}),
)
pieces = st.lists(
    st.sampled_from(
        ["1", "2", "0", "10", ".", "-", "+", "_", "v", "rc", "beta", "dev", "-4-gabc1234", "-dirty", "(x)", " "]
    ),
    max_size=8,
).map("".join)
versions = st.one_of(known_versions, pieces, st.text(max_size=40), st.from_regex(r"v?\d+(\.\d+){0,3}(-[a-z0-9.]+)?"))


@pytest.mark.parametrize("ladder", LADDERS.values(), ids=LADDERS)
def test_knows_the_order(ladder: list[str]):
    for older, newer in combinations(ladder, 2):
        assert is_newer(newer, older), f"{newer} should be newer than {older}"
        assert not is_newer(older, newer), f"{older} should not be newer than {newer}"
        assert not is_same(older, newer), f"{older} should not be {newer}"


@pytest.mark.parametrize("texts", SAME, ids=lambda texts: texts[0])
def test_knows_one_version_however_it_is_written(texts: list[str]):
    first = texts[0]
    for other in texts:
        assert is_same(first, other), f"{first} should be {other}"
        assert is_same(other, first), f"{other} should be {first}"
        assert not is_newer(first, other)
        assert not is_newer(other, first)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_knows_different_versions(one: str, other: str):
    assert not is_same(one, other)
    assert not is_same(other, one)


@pytest.mark.parametrize(("one", "other"), [("15.5.0(tasmota)", "15.5.0(lite)"), ("1.2.3+b5", "1.2.3+b6")])
def test_of_two_builds_of_one_version_neither_is_newer(one: str, other: str):
    assert not is_newer(one, other)
    assert not is_newer(other, one)


@pytest.mark.parametrize("text", UNORDERED)
def test_without_a_known_order_nothing_is_newer(text: str):
    for other in ("1.2.3", "0", "abc1235", "latest", ""):
        assert not is_newer(text, other)
        assert not is_newer(other, text)


@pytest.mark.parametrize(
    ("text", "series"),
    [
        ("1.4.2", "1.4"),
        ("v1.4", "1.4"),
        ("1.4.0-rc1", "1.4"),
        ("1", "1.0"),
        ("1.0.3", "1.0"),
        ("1.4.2", " 1 "),
        ("1.4.2", "1.4.2"),
    ],
)
def test_a_version_is_of_the_series_with_which_it_begins(text: str, series: str):
    assert is_of_series(text, series)


@pytest.mark.parametrize(
    ("text", "series"),
    [
        ("1.40.0", "1.4"),
        ("1.4", "1.4.1"),
        ("2.4.0", "1.4"),
        ("1.1", "1.0"),
        ("abc1234", "1.4"),
        ("1.4.2", ""),
        ("1.4.2", "latest"),
        ("", "1"),
        ("1.4", "v.x1"),
    ],
)
def test_a_version_that_begins_otherwise_or_has_no_number_is_of_no_series(text: str, series: str):
    assert not is_of_series(text, series)


@given(st.text(), st.text())
def test_any_text_is_of_a_series_or_not(text: str, series: str):
    assert is_of_series(text, series) in {True, False}


def test_a_version_that_the_descriptor_cut_is_not_older_than_itself():
    """Otherwise the board would be offered for ever what it runs."""
    installed = "a-long-name-of-a-project-v1.2.3"
    assert len(installed) == 31
    assert is_same(installed + "4", installed)
    assert not is_newer(installed + "4", installed)
    assert is_newer("a-long-name-of-a-project-v1.2.4", installed)


def test_sorts_the_newest_first_and_what_has_no_order_last_as_it_came():
    given_order = ["nightly", "1.2.3", "abc1234", "v1.10", "1.2.3-rc1", "release-1.2.3", "latest", "2.0"]
    expected = ("2.0", "v1.10", "1.2.3", "release-1.2.3", "1.2.3-rc1", "nightly", "abc1234", "latest")
    assert newest_first(given_order, key=str) == expected


def test_sorts_items_by_their_version():
    items = [("lamp", "1.9"), ("fan", "1.10")]
    assert newest_first(items, key=lambda item: item[1]) == (("fan", "1.10"), ("lamp", "1.9"))
    assert newest_first([], key=str) == ()


@pytest.mark.parametrize("ladder", LADDERS.values(), ids=LADDERS)
def test_the_sort_key_agrees_with_the_order(ladder: list[str]):
    keys = [sort_key(text) for text in ladder]
    assert all(older < newer for older, newer in pairwise(keys))
    assert sort_key("latest") < keys[0]


def test_the_order_that_the_module_explains_holds():
    example = " ".join(line for line in version.__doc__.splitlines() if "<" in line)
    ladder = [text.strip() for text in example.split("<")]
    assert len(ladder) == 12
    assert all(is_newer(newer, older) for older, newer in pairwise(ladder))


@given(st.text(), st.text())
def test_any_text_is_compared(one: str, other: str):
    assert is_newer(one, other) in {True, False}
    assert is_same(one, other) in {True, False}


@given(st.text(alphabet="019.-+_ ()rvgabcdef", max_size=200))
def test_any_text_like_a_version_is_the_same_as_itself_and_not_newer(text: str):
    assert is_same(text, text) == bool(text.strip())
    assert not is_newer(text, text)


@settings(max_examples=500)
@given(versions, versions)
def test_of_two_versions_at_most_one_is_newer(one: str, other: str):
    assert not (is_newer(one, other) and is_newer(other, one))
    assert is_same(one, other) == is_same(other, one)
    if is_same(one, other):
        assert not is_newer(one, other)


@settings(max_examples=500)
@given(versions, versions, versions)
def test_the_order_is_transitive(one: str, two: str, three: str):
    for old, middle, new in permutations((one, two, three)):
        if is_newer(middle, old) and is_newer(new, middle):
            assert sort_key(new) > sort_key(old)
            assert not is_newer(old, new)


@given(st.lists(versions, max_size=12))
def test_sorting_again_changes_nothing(texts: list[str]):
    once = newest_first(texts, key=str)
    assert sorted(once) == sorted(texts)
    assert newest_first(once, key=str) == once
    assert not any(is_newer(later, earlier) for earlier, later in combinations(once, 2))


@given(st.lists(st.integers(0, 9999), min_size=1, max_size=5), st.lists(st.integers(0, 9999), min_size=1, max_size=5))
def test_numbers_are_compared_as_numbers(one: list[int], other: list[int]):
    longest = max(len(one), len(other))
    padded = [numbers + [0] * (longest - len(numbers)) for numbers in (one, other)]
    left, right = (".".join(map(str, numbers)) for numbers in (one, other))
    assert is_newer(left, right) == (padded[0] > padded[1])
    assert is_same(left, right) == (padded[0] == padded[1])
