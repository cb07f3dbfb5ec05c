"""Topics of a user's sketch: what is one, whose it is, and what to subscribe."""

from hypothesis import given, strategies as st
import pytest

from custom_components.mqtt_ota.ota.dialects.topics import MOST, Topic, TopicError


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "topic_invalid"),
        ("a/+/b", "topic_invalid"),
        ("a/#", "topic_invalid"),
        ("a\nb", "topic_invalid"),
        ("a\x7f", "topic_invalid"),
        ("$SYS/broker", "topic_invalid"),
        ("a" * (MOST + 1), "topic_invalid"),
        ("ü" * (MOST // 2 + 1), "topic_invalid"),
        ("a/{who}", "word_unknown"),
        ("a/{}", "word_unknown"),
        ("{id}/{id}", "word_unknown"),
    ],
)
def test_what_is_no_topic_is_refused(text: str, reason: str) -> None:
    with pytest.raises(TopicError, match=f"^{reason}$"):
        Topic(text)


@pytest.mark.parametrize(
    ("text", "subscribed"),
    [
        ("lamp/set", "lamp/set"),
        ("/lamp/", "/lamp/"),
        ("lamp/{id}/set", "lamp/+/set"),
        ("{id}", "+"),
        # A wildcard stands for a whole level.
        ("lamp/esp-{id}/set", "lamp/+/set"),
        ("$aws/things/{id}/jobs", "$aws/things/+/jobs"),
    ],
)
def test_the_topic_of_all_boards_is_subscribed(text: str, subscribed: str) -> None:
    assert Topic(text).filter == subscribed


def test_a_topic_that_all_share_is_nobodys() -> None:
    topic = Topic("lamp/set")
    assert (topic.has_id, topic.of("b-1")) == (False, "lamp/set")
    assert topic.match("lamp/set") == ""
    assert topic.match("lamp/set/more") is None
    assert topic.match("lamp/get") is None


@pytest.mark.parametrize(
    ("topic", "board_id"),
    [
        ("lamp/esp-b.1/set", "b.1"),
        ("lamp/b.1/set", None),
        ("lamp/esp-/set", None),
        ("lamp/esp-a/b/set", None),
        ("lamp/esp-a b/set", None),
        ("lamp/esp-../set", None),
        ("lamp/esp-" + "x" * 65 + "/set", None),
        ("lamp/esp-b.1/set\n", None),
    ],
)
def test_a_board_is_known_by_its_place_in_a_topic(topic: str, board_id: str | None) -> None:
    assert Topic("lamp/esp-{id}/set").match(topic) == board_id


def test_signs_that_mean_something_to_patterns_mean_themselves() -> None:
    topic = Topic("a.b/(c)/{id}")
    assert topic.match("a.b/(c)/x") == "x"
    assert topic.match("aXb/(c)/x") is None


@given(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True))
def test_the_topic_of_a_board_is_its_own(board_id: str) -> None:
    topic = Topic("x/{id}/y")
    assert topic.match(topic.of(board_id)) == board_id


@given(st.text(), st.text())
def test_any_text_is_a_topic_or_refused_and_any_topic_is_matched_or_not(text: str, heard: str) -> None:
    try:
        topic = Topic(text)
    except TopicError:
        return
    found = topic.match(heard)
    assert found is None or topic.of(found) == heard
