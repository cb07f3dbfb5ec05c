"""Which release a board can take, and what is told about it."""

import base64
from itertools import permutations
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, strategies as st
import pytest

from custom_components.mqtt_ota.ota import signature
from custom_components.mqtt_ota.ota.asset_name import chip_spellings
from custom_components.mqtt_ota.ota.board import Board
from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from custom_components.mqtt_ota.ota.notes import notes_since
from custom_components.mqtt_ota.ota.release import (
    Asset,
    Candidate,
    Channel,
    Product,
    Release,
    candidates,
    check_signature,
    choose,
    fits,
    manifest,
    product_for,
)
from custom_components.mqtt_ota.ota.version import is_newer

CHIPS = ["ESP32", "ESP32-S2", "ESP32-S3", "ESP32-C2", "ESP32-C3", "ESP32-C5", "ESP32-C6", "ESP32-C61", "ESP32-H2"]
PRIVATE_KEY = ec.derive_private_key(0x5EED, ec.SECP256R1())
PUBLIC_KEY = base64.b64encode(signature.point(PRIVATE_KEY.public_key())).decode()
ANY = Product(name="any")


def board(**says: Any) -> Board:
    return Board(
        **({"id": "b1", "dialect": "native", "model": "relay-4", "chip": "ESP32-C3", "project": "relay"} | says)
    )


def asset(name: str = "relay-esp32c3.bin", **says: Any) -> Asset:
    return Asset(**({"name": name, "url": f"https://feed.test/{name}"} | says))


def release(version: str, *assets: Asset, **says: Any) -> Release:
    return Release(version=version, assets=assets or (asset(),), **says)


def refusal(reason: Reason, *args: Any) -> dict[str, str]:
    with pytest.raises(OtaError) as refused:
        choose(*args)
    assert refused.value.reason is reason
    return refused.value.placeholders


def chosen(of_board: Board, *assets: Asset, product: Product = ANY) -> str | Reason:
    try:
        return choose(of_board, product, [release("1.1.0", *assets)], None).asset.name
    except OtaError as err:
        return err.reason


class TestBoardsThatSayLittle:
    def test_a_board_is_found_by_its_id_alone(self) -> None:
        silent = Board(id="porch", dialect="socket_pull.1")
        products = [Product(name="lamp", model="lamp"), Product(name="porch", board_id="porch")]
        assert product_for(silent, products) == products[1]
        assert product_for(Board(id="attic", dialect="socket_pull.1"), products) is None

    @pytest.mark.parametrize("name", ["tasmota32c3.bin", "Tasmota32C3.bin", "files/tasmota32c3.bin"])
    def test_a_board_that_tells_its_build_takes_the_file_of_that_name_alone(self, name: str) -> None:
        one = board(build="tasmota32c3")
        others = (asset("tasmota32c3-bluetooth.bin"), asset("tasmota32.bin"))
        assert chosen(one, *others, asset(name)) == name
        assert chosen(one, *others) is Reason.NO_ASSET

    def test_a_file_without_a_name_is_told_by_its_address(self) -> None:
        nameless = Asset(name="", url="https://feed.test/files/lamp.bin")
        assert chosen(board(build="lamp", chip=""), nameless) == ""

    def test_a_board_of_a_series_takes_the_newest_of_it(self) -> None:
        releases = [release(version) for version in ("2.0.0", "1.40.0", "1.4.2", "1.4.1")]
        assert choose(board(series="1.4"), ANY, releases, None).release.version == "1.4.2"
        assert [found.release.version for found in candidates(board(series="1.4"), ANY, releases)] == ["1.4.2", "1.4.1"]

    def test_a_release_of_another_series_is_refused_by_name(self) -> None:
        told = refusal(Reason.OTHER_SERIES, board(series="1.4"), ANY, [release("2.0.0")], None)
        assert told == {"version": "2.0.0", "series": "1.4"}


class TestProducts:
    def test_a_product_without_a_rule_fits_every_board(self) -> None:
        assert fits(ANY, board()) == 0
        assert fits(ANY, Board(id="b", dialect="native")) == 0

    @pytest.mark.parametrize(
        "rule", [{"model": "relay-4"}, {"project": "REL*"}, {"chip": "esp32c3"}, {"chip": "ESP32*"}, {"board_id": "b*"}]
    )
    def test_a_rule_that_matches_says_more_than_none(self, rule: dict[str, str]) -> None:
        assert (fits(Product(name="p", **rule), board()) or 0) > 0

    @pytest.mark.parametrize("rule", [{"model": "relay"}, {"project": "lamp*"}, {"chip": "ESP32"}, {"board_id": "b"}])
    def test_a_rule_that_does_not_match_excludes(self, rule: dict[str, str]) -> None:
        assert fits(Product(name="p", **rule), board()) is None

    def test_the_id_says_most_then_the_model_then_the_project_then_the_chip(self) -> None:
        rules: list[dict[str, str]] = [
            {"board_id": "b1", "model": "relay-4"},
            {"board_id": "b1"},
            {"model": "relay-4", "project": "relay", "chip": "ESP32-C3"},
            {"model": "relay-4"},
            {"project": "relay"},
            {"chip": "ESP32-C3"},
            {"chip": "ESP32*"},
            {},
        ]
        scores = [fits(Product(name="p", **rule), board()) for rule in rules]
        assert scores == sorted(scores, key=lambda score: score or 0, reverse=True)
        assert len(set(scores)) == len(scores)

    def test_the_most_specific_product_is_a_boards_own(self) -> None:
        products = [ANY, Product(name="relays", model="relay-*"), Product(name="four", model="relay-4")]
        for order in permutations(products):
            found = product_for(board(), order)
            assert found
            assert found.name == "four"

    def test_no_product_fits(self) -> None:
        assert product_for(board(), []) is None
        assert product_for(board(), [Product(name="lamps", model="lamp")]) is None

    def test_two_products_that_fit_equally_are_not_guessed_between(self) -> None:
        with pytest.raises(OtaError) as refused:
            product_for(board(), [ANY, Product(name="one", model="relay-?"), Product(name="two", model="relay-*")])
        assert refused.value.reason is Reason.AMBIGUOUS_RELEASE
        assert refused.value.placeholders == {"first": "one", "second": "two"}

    @given(
        st.lists(
            st.builds(
                Product,
                name=st.text(max_size=3),
                model=st.sampled_from(["", "*", "relay-*", "relay-4", "lamp"]),
                project=st.sampled_from(["", "relay", "r*", "lamp"]),
                chip=st.sampled_from(["", "ESP32*", "esp32c3", "ESP32"]),
            ),
            max_size=5,
        ),
        st.randoms(),
    )
    def test_the_order_of_the_products_decides_nothing(self, products: list[Product], random: Any) -> None:
        def found(order: list[Product]) -> Product | Reason | None:
            try:
                return product_for(board(), order)
            except OtaError as err:
                return err.reason

        shuffled = random.sample(products, len(products))
        assert found(products) == found(shuffled)


class TestFiles:
    @pytest.mark.parametrize(
        ("names", "expected"),
        [
            (["relay-esp32.bin", "relay-esp32c3.bin", "relay-esp32s3.bin"], "relay-esp32c3.bin"),
            (["relay-esp32.bin", "relay-esp32-c3.bin"], "relay-esp32-c3.bin"),
            (["relay-esp32c3.factory.bin", "relay-esp32c3.ota.bin"], "relay-esp32c3.ota.bin"),
            (["bootloader-esp32c3.bin", "partitions-esp32c3.bin", "littlefs-esp32c3.bin"], Reason.NO_ASSET),
            (["relay-esp32.bin", "relay-esp32s3.bin"], Reason.NO_ASSET),
            (["relay-esp32.bin", "relay.bin"], Reason.NO_ASSET),
            (["relay-s3.bin"], Reason.NO_ASSET),
            (["relay.bin"], "relay.bin"),
            (["relay.bin", "relay.factory.bin"], "relay.bin"),
            (["relay.bin", "lamp.bin"], Reason.AMBIGUOUS_RELEASE),
            (["relay-esp32c3.bin", "lamp-esp32c3.bin"], Reason.AMBIGUOUS_RELEASE),
            (["relay-esp32c3-esp32s3.bin"], Reason.NO_ASSET),
        ],
    )
    def test_a_file_is_found_by_the_chip_in_its_name(self, names: list[str], expected: str | Reason) -> None:
        assert chosen(board(), *map(asset, names)) == expected

    @given(st.sampled_from(CHIPS), st.sampled_from(CHIPS), st.data())
    def test_no_board_takes_a_file_whose_name_says_another_chip(
        self, own: str, other: str, data: st.DataObject
    ) -> None:
        spelling = data.draw(st.sampled_from(chip_spellings(other)))
        name = data.draw(st.sampled_from(["relay-{}.bin", "{}.bin", "{}-1.0.bin", "esp32-relay-{}.bin"])).format(
            data.draw(st.sampled_from([spelling, spelling.lower()]))
        )
        product = Product(name="p", asset_pattern=data.draw(st.sampled_from(["", "*", "*{chip}*"])))
        file = asset(name, model=data.draw(st.sampled_from(["", "relay-4"])))
        expected = name if own == other else Reason.NO_ASSET
        assert chosen(board(chip=own), file, product=product) == expected

    def test_what_the_feed_says_goes_before_the_name(self) -> None:
        told = asset("relay-esp32.bin", chip="ESP32-C3")
        assert chosen(board(), told, asset("relay-esp32c3.bin")) == "relay-esp32.bin"
        assert chosen(board(chip="ESP32"), told) == Reason.NO_ASSET

    def test_a_file_for_the_model_goes_before_one_for_any(self) -> None:
        exact, glob, general = asset("1", model="relay-4"), asset("2", model="relay-*"), asset("3", chip="ESP32-C3")
        assert chosen(board(), general, glob, exact) == "1"
        assert chosen(board(), general, glob) == "2"
        assert chosen(board(model="lamp"), exact, glob, general) == "3"
        assert chosen(board(model="lamp"), exact, glob) == Reason.NO_ASSET

    def test_a_file_for_the_project_goes_before_one_for_any(self) -> None:
        own, general = asset("1", chip="ESP32-C3", project="relay"), asset("2", chip="ESP32-C3")
        assert chosen(board(), general, own) == "1"
        assert chosen(board(project="lamp"), general, own) == "2"

    def test_a_board_that_does_not_say_its_chip_takes_only_what_names_none(self) -> None:
        mute = board(chip="")
        assert chosen(mute, asset("relay-esp32.bin")) == Reason.NO_ASSET
        assert chosen(mute, asset("relay.bin", chip="ESP32")) == Reason.NO_ASSET
        assert chosen(mute, asset("relay.bin")) == "relay.bin"
        assert chosen(mute, asset("relay.bin", chip="ESP32", model="relay-4")) == "relay.bin"

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("lamp-*", "lamp-esp32c3.bin"),
            ("{project}-*", "relay-esp32c3.bin"),
            ("relay-{chip}.bin", "relay-esp32c3.bin"),
            ("{model}*", Reason.NO_ASSET),
            ("*esp32s3*", Reason.NO_ASSET),
            ("*", Reason.AMBIGUOUS_RELEASE),
        ],
    )
    def test_the_users_pattern_picks_among_names(self, pattern: str, expected: str | Reason) -> None:
        files = [asset("relay-esp32c3.bin"), asset("lamp-esp32c3.bin"), asset("relay-esp32s3.bin")]
        assert chosen(board(), *files, product=Product(name="p", asset_pattern=pattern)) == expected

    def test_a_pattern_knows_the_version_without_its_v(self) -> None:
        product = Product(name="p", asset_pattern="relay-{version}.bin")
        found = choose(board(), product, [release("v1.1.0", asset("relay-1.1.0.bin"), asset("relay-1.0.0.bin"))], None)
        assert found.asset.name == "relay-1.1.0.bin"

    def test_a_pattern_never_picks_a_factory_image(self) -> None:
        files = [asset("relay-esp32c3.factory.bin"), asset("relay-esp32c3.bin")]
        assert chosen(board(), *files, product=Product(name="p", asset_pattern="relay*")) == "relay-esp32c3.bin"

    def test_one_file_told_twice_is_one_file(self) -> None:
        twice = [asset("1", chip="ESP32-C3", sha256="aa"), asset("2", chip="ESP32-C3", sha256="aa")]
        assert chosen(board(), *twice) == "1"
        mirror = [asset("1", chip="ESP32-C3", url="https://a.test"), asset("2", chip="ESP32-C3", url="https://a.test")]
        assert chosen(board(), *mirror) == "1"

    def test_two_files_that_fit_equally_are_not_guessed_between(self) -> None:
        files = [asset("1", chip="ESP32-C3", sha256="aa"), asset("2", chip="ESP32-C3", sha256="bb", url="u")]
        told = refusal(Reason.AMBIGUOUS_RELEASE, board(), ANY, [release("1.1.0", *files)], None)
        assert told == {"first": "1", "second": "2"}

    @given(st.permutations([asset("relay-esp32.bin"), asset("relay-c3.bin"), asset("any.bin"), asset("m", model="r*")]))
    def test_the_order_of_the_files_decides_nothing(self, files: list[Asset]) -> None:
        assert chosen(board(), *files) == "m"
        assert chosen(board(model="x"), *files) == "relay-c3.bin"
        assert chosen(board(model="x", chip="ESP32"), *files) == "relay-esp32.bin"


class TestCandidates:
    def test_they_come_newest_first_and_only_with_a_file(self) -> None:
        releases = [release("1.0.0"), release("1.2.0", asset("relay-esp32.bin")), release("1.10.0"), release("1.9.0")]
        found = candidates(board(), ANY, releases)
        assert [candidate.release.version for candidate in found] == ["1.10.0", "1.9.0", "1.0.0"]
        assert all(candidate.product is ANY for candidate in found)

    def test_beta_sees_stable_too_and_stable_no_beta(self) -> None:
        releases = [release("1.0.0"), release("1.1.0-rc1", prerelease=True)]
        beta = Product(name="beta", channel=Channel.BETA)
        assert [found.release.version for found in candidates(board(), beta, releases)] == ["1.1.0-rc1", "1.0.0"]
        assert [found.release.version for found in candidates(board(), ANY, releases)] == ["1.0.0"]

    def test_there_are_none_of_no_releases(self) -> None:
        assert candidates(board(), ANY, []) == ()

    def test_a_version_told_twice_with_the_same_file_is_one(self) -> None:
        assert len(candidates(board(), ANY, [release("1.0.0"), release("v1.0")])) == 1

    def test_a_version_told_twice_with_different_files_is_none(self) -> None:
        other = release("v1.1.0", asset("lamp-esp32c3.bin"))
        found = candidates(board(), ANY, [release("1.0.0"), release("1.1.0"), other])
        assert [candidate.release.version for candidate in found] == ["1.0.0"]
        refusal(Reason.AMBIGUOUS_RELEASE, board(), ANY, [release("1.1.0"), other], None)

    def test_versions_without_an_order_are_compared_though_they_are_no_neighbours(self) -> None:
        releases = [release("abcdef1"), release("1234abc"), release("abcdef1", asset("lamp-esp32c3.bin"))]
        assert [found.release.version for found in candidates(board(), ANY, releases)] == ["1234abc"]

    def test_a_release_without_a_file_does_not_hide_another_of_its_version(self) -> None:
        found = choose(board(), ANY, [release("1.1.0", asset("relay-esp32.bin")), release("1.1.0")], None)
        assert found.asset.name == "relay-esp32c3.bin"

    def test_an_ambiguous_release_spoils_its_version(self) -> None:
        torn = release("1.1.0", asset("relay-esp32c3.bin"), asset("lamp-esp32c3.bin"))
        refusal(Reason.AMBIGUOUS_RELEASE, board(), ANY, [release("1.1.0"), torn], None)

    @given(
        st.lists(
            st.builds(
                release,
                st.sampled_from(["1.0.0", "v1.0", "1.1.0", "1.2.0-rc1", "2.0", "abcdef1", "1234abc"]),
                st.sampled_from([asset(), asset("lamp-esp32c3.bin"), asset("relay-esp32.bin"), asset("x", counter=1)]),
                prerelease=st.booleans(),
            ),
            max_size=8,
        ),
        st.sampled_from(list(Channel)),
    )
    def test_each_candidate_is_what_choosing_its_version_gives(self, releases: list[Release], channel: Channel) -> None:
        product = Product(name="p", channel=channel)
        found = candidates(board(), product, releases)
        for candidate in found:
            assert choose(board(), product, releases, candidate.release.version) == candidate
        for newer, older in zip(found, found[1:], strict=False):
            assert not is_newer(older.release.version, newer.release.version)
        if found:
            assert choose(board(), product, releases, None) == found[0]
        else:
            with pytest.raises(OtaError):
                choose(board(), product, releases, None)


class TestRequirements:
    @pytest.mark.parametrize(
        ("running", "file", "reason", "told"),
        [
            ("1.0", {"min_version": "1.1"}, Reason.VERSION_TOO_OLD, {"installed": "1.0", "minimum": "1.1"}),
            ("", {"min_version": "1.1"}, Reason.VERSION_TOO_OLD, {"installed": "?", "minimum": "1.1"}),
            ("1.2", {"max_version": "1.1"}, Reason.VERSION_TOO_NEW, {"installed": "1.2", "maximum": "1.1"}),
            ("", {"max_version": "1.1"}, Reason.VERSION_TOO_NEW, {"installed": "?", "maximum": "1.1"}),
            ("1.0", {"counter": 4}, Reason.COUNTER_TOO_LOW, {"counter": "4", "minimum": "5"}),
        ],
    )
    def test_a_board_that_cannot_take_its_file_hears_why(
        self, running: str, file: dict[str, Any], reason: Reason, told: dict[str, str]
    ) -> None:
        taker = board(version=running, counter=5)
        releases = [release("2.0", asset(**({"counter": 5} | file)))]
        assert candidates(taker, ANY, releases) == ()
        assert refusal(reason, taker, ANY, releases, None) == {"version": "2.0"} | told

    @pytest.mark.parametrize("running", ["1.1", "1.5", "1.9"])
    def test_bounds_are_inclusive(self, running: str) -> None:
        releases = [release("2.0", asset(min_version="1.1", max_version="1.9"))]
        assert candidates(board(version=running), ANY, releases)

    def test_a_stepping_stone_is_offered_first(self) -> None:
        releases = [release("2.0", asset(min_version="1.5")), release("1.5")]
        assert choose(board(version="1.0"), ANY, releases, None).release.version == "1.5"
        assert choose(board(version="1.5"), ANY, releases, None).release.version == "2.0"

    def test_two_files_for_different_versions_are_no_ambiguity(self) -> None:
        files = (asset("a", chip="ESP32-C3", max_version="1.4"), asset("b", chip="ESP32-C3", min_version="1.5"))
        assert chosen(board(version="1.0"), *files) == "a"
        assert chosen(board(version="1.5"), *files) == "b"

    def test_a_file_for_any_model_is_no_substitute_for_the_one_that_is_meant(self) -> None:
        files = (asset("own", model="relay-4", min_version="1.5"), asset("any", chip="ESP32-C3"))
        assert chosen(board(version="1.0"), *files) == Reason.VERSION_TOO_OLD

    @pytest.mark.parametrize(("keys", "public_key"), [(("00ff",), ""), ((), PUBLIC_KEY)])
    def test_a_board_or_user_that_trusts_keys_needs_a_signature(self, keys: tuple[str, ...], public_key: str) -> None:
        product = Product(name="p", public_key=public_key)
        releases = [release("1.1.0", asset())]
        assert candidates(board(keys=keys), product, releases) == ()
        told = refusal(Reason.SIGNATURE_MISSING, board(keys=keys), product, releases, None)
        assert told == {"version": "1.1.0", "asset": "relay-esp32c3.bin"}

    def test_no_release_at_all_no_such_version_and_no_file_are_told_apart(self) -> None:
        beta = [release("1.0.0", prerelease=True)]
        assert refusal(Reason.NO_RELEASE, board(), ANY, beta, None) == {"product": "any"}
        told = refusal(Reason.VERSION_UNKNOWN, board(), ANY, [release("1.0.0")], "1.1.0")
        assert told == {"product": "any", "version": "1.1.0"}
        told = refusal(Reason.NO_ASSET, board(chip="ESP32"), ANY, [release("1.0.0")], "v1.0")
        assert told == {"board": "b1", "version": "1.0.0", "chip": "ESP32"}

    def test_the_reason_is_the_newest_releases(self) -> None:
        releases = [release("1.0", asset("relay-esp32.bin")), release("2.0", asset(counter=0))]
        refusal(Reason.COUNTER_TOO_LOW, board(counter=1), ANY, releases, None)

    def test_a_missing_file_says_less_than_any_other_reason(self) -> None:
        releases = [release("2.0", asset("relay-esp32.bin")), release("2.0", asset())]
        refusal(Reason.COUNTER_TOO_LOW, board(counter=1), ANY, releases, None)


class TestSignatures:
    def signed(self, **says: Any) -> Asset:
        text = signature.Manifest(
            **(
                {"model": "", "chip": "ESP32-C3", "version": "1.1.0", "size": 100, "sha256": "ab" * 32, "counter": 0}
                | says
            )
        ).text()
        return asset(
            chip="ESP32-C3",
            size=100,
            sha256="ab" * 32,
            signature=base64.b64encode(signature.sign(text, PRIVATE_KEY)).decode(),
        )

    def test_a_signature_is_verified_as_soon_as_the_feed_tells_enough(self) -> None:
        product = Product(name="p", public_key=PUBLIC_KEY)
        assert choose(board(), product, [release("1.1.0", self.signed())], None)
        refusal(Reason.SIGNATURE_INVALID, board(), product, [release("1.1.0", self.signed(size=99))], None)
        refusal(Reason.SIGNATURE_INVALID, board(), product, [release("1.1.1", self.signed())], None)

    def test_a_signature_is_verified_later_where_the_feed_does_not_tell_the_size(self) -> None:
        product = Product(name="p", public_key=PUBLIC_KEY)
        unsized = Asset(name="x", url="u", chip="ESP32-C3", sha256="ab" * 32, signature=self.signed().signature)
        candidate = choose(board(), product, [release("1.1.0", unsized)], None)
        check_signature(candidate, board(), size=100, sha256="ab" * 32)
        with pytest.raises(OtaError) as refused:
            check_signature(candidate, board(), size=100, sha256="cd" * 32)
        assert refused.value.reason is Reason.SIGNATURE_INVALID

    def test_without_a_key_there_is_nothing_to_verify(self) -> None:
        assert choose(board(keys=("00ff",)), ANY, [release("1.1.0", self.signed(size=99))], None)

    def test_a_wrong_key_is_told_as_such(self) -> None:
        refusal(Reason.KEY_INVALID, board(), Product(name="p", public_key="?"), [release("1.1.0", self.signed())], None)

    def test_what_is_signed_is_in_the_feeds_words_and_the_rest_in_the_boards(self) -> None:
        def words(of_board: Board, **says: Any) -> tuple[str, str]:
            made = manifest(Candidate(release("1"), asset(**says), ANY), of_board, size=1, sha256="ab" * 32)
            return made.model, made.chip

        assert words(board(), model="RELAY-4", chip="ESP32-C3", signature="s") == ("RELAY-4", "ESP32-C3")
        assert words(board(), model="relay-*", signature="s") == ("", "ESP32-C3")
        assert words(board(), model="RELAY-*", chip="ESP32-C3") == ("relay-4", "ESP32-C3")
        assert words(board(chip=""), chip="ESP32") == ("relay-4", "ESP32")

    def test_a_manifest_that_cannot_be_written_is_told_as_such(self) -> None:
        with pytest.raises(OtaError) as refused:
            manifest(Candidate(release("1"), asset(), ANY), board(chip=""), size=1, sha256="ab" * 32)
        assert refused.value.reason is Reason.MANIFEST_INVALID


def offered(*releases: Release) -> tuple[Candidate, ...]:
    return tuple(Candidate(told, asset(), ANY) for told in releases)


class TestNotes:
    def test_they_are_of_all_since_the_installed_version_newest_first(self) -> None:
        known = offered(*(release(version, notes=f"notes {version}") for version in ["1.0", "1.1", "1.2", "1.3"]))
        assert notes_since(known, "1.0", "1.2") == "## 1.2\n\nnotes 1.2\n\n## 1.1\n\nnotes 1.1"

    def test_a_title_stands_beside_the_version_once(self) -> None:
        known = offered(release("1.1", title="Quiet"), release("1.2", title="1.2"))
        assert notes_since(known, "1.0", "1.2") == "## 1.2\n\n## 1.1: Quiet"

    def test_they_are_capped_with_a_link(self) -> None:
        known = offered(*(release(f"1.{n}", url=f"https://feed.test/{n}") for n in range(1, 6)))
        assert (
            notes_since(known, "1.0", "1.5", limit=3)
            == "## 1.5\n\n## 1.4\n\n## 1.3\n\n[… 1.2 - 1.1](<https://feed.test/2>)"
        )
        assert notes_since(known, "1.0", "1.5", limit=4).endswith("[… 1.1](<https://feed.test/1>)")

    def test_they_are_capped_without_a_link_where_there_is_none(self) -> None:
        known = offered(*(release(f"1.{n}") for n in range(1, 4)))
        assert notes_since(known, "1.0", "1.3", limit=1) == "## 1.3\n\n… 1.2 - 1.1"

    @pytest.mark.parametrize(
        ("installed", "latest", "expected"),
        [
            ("", "1.2", "## 1.2"),
            ("abcdef1", "1.2", "## 1.2"),
            ("1.2", "1.2", ""),
            ("1.3", "1.2", ""),
            ("1.0", "9.9", "## 1.2\n\n## 1.1"),
            ("1.0", "1234abc", "## 1234abc"),
            ("1234abc", "1234abc", ""),
        ],
    )
    def test_what_has_no_order_tells_the_latest_alone(self, installed: str, latest: str, expected: str) -> None:
        known = offered(release("1.1"), release("1234abc"), release("1.2"))
        assert notes_since(known, installed, latest) == expected

    @given(st.permutations(range(1, 20)), st.integers(0, 20), st.integers(0, 20), st.integers(0, 12))
    def test_they_are_in_order_and_within_bounds(
        self, order: list[int], installed: int, latest: int, limit: int
    ) -> None:
        known = offered(*(release(f"1.{n}") for n in order))
        headings = [
            int(line.rpartition(".")[2])
            for line in notes_since(known, f"1.{installed}", f"1.{latest}", limit).splitlines()
            if line.startswith("#")
        ]
        assert headings == list(range(min(latest, 19), installed, -1))[:limit]
