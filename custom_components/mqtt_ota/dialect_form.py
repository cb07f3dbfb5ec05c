"""The form of a kind of dialect, made of its settings, and what is read from it."""

from collections.abc import Iterable, Mapping
import string
from typing import Any, Final

from homeassistant.const import CONF_NAME
from homeassistant.helpers.selector import Selector

from .forms import choice, flag, text_field, vol, whole_number
from .listening import Heard
from .markdown import code, escape
from .ota.board import Board
from .ota.dialects.settings import Kind, Setting, SettingType
from .texts import Texts

CONF_CAPTURED: Final = "captured"
CAPTURED_LENGTH: Final = 16_384
LINES_SHOWN: Final = 10

_TRIMMED: Final = frozenset({SettingType.TEXT, SettingType.TOPIC, SettingType.BOARD_ID})


def schema(kind: Kind) -> vol.Schema:
    """Return the form of a kind."""
    fields: dict[Any, Any] = {vol.Required(CONF_NAME): text_field()}
    for setting in kind.settings:
        fields[_marker(setting)] = _selector(setting)
    if kind.try_out is not None:
        fields[vol.Optional(CONF_CAPTURED)] = text_field(multiline=True)
    return vol.Schema(fields)


def settings(kind: Kind, user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a form says of every setting: a field that was emptied does not mean its default."""
    return {one.key: _read(one, user_input.get(one.key)) for one in kind.settings}


def words(step: Iterable[str]) -> dict[str, str]:
    """Return what stands for the words in braces that the texts of a step name: themselves, as they are to be typed."""
    names = {name for text in step for _, name, _, _ in string.Formatter().parse(text) if name}
    return {name: f"{{{name}}}" for name in names}


def found_list(texts: Texts, labels: Texts, kind: Kind, found: Iterable[tuple[str, str]]) -> str:
    """Return what each pattern of a kind found in a captured message."""
    lines = []
    for what, value in found:
        label = labels.get(f"dialect.step.{kind.name}.data.{what}") or what
        lines.append(f"- {label}: " + (f"**{escape(value)}**" if value else texts.get("found_nothing")))
    return "\n".join(lines)


def heard_list(texts: Texts, heard: Heard) -> str:
    """Return whom a dialect heard, what it made nothing of, and the commands that somebody left."""
    boards = [_board_line(texts, board) for board in heard.boards.values()]
    boards += [f"- **{escape(board.id)}**: {texts.get('heard_hint')}" for board in heard.hinted.values()]
    parts = [boards[:LINES_SHOWN]]
    if len(boards) > LINES_SHOWN:
        parts[0].append(f"- {texts.get('heard_more', count=len(boards) - LINES_SHOWN)}")
    if heard.ignored:
        ignored = [f"- `{code(topic)}`: {escape(cause)}" for cause, topic in heard.ignored.items()]
        parts.append([f"{texts.get('heard_ignored')}\n", *ignored])
    if heard.without_meaning:
        parts.append([texts.get("heard_without_meaning", topic=code(heard.without_meaning))])
    if heard.leftovers:
        topics = [f"- `{code(topic)}`" for topic in sorted(heard.leftovers)[:LINES_SHOWN]]
        parts.append([f"{texts.get('heard_leftovers')}\n", *topics])
    return "\n\n".join("\n".join(part) for part in parts if part)


def _board_line(texts: Texts, board: Board) -> str:
    version = escape(board.version) if board.version else texts.get("heard_no_version")
    said = ", ".join(filter(None, (escape(board.model), escape(board.chip), version)))
    return f"- **{escape(board.name or board.id)}**: {said}"


def _marker(setting: Setting) -> Any:
    match setting.type:
        case SettingType.NUMBER | SettingType.CHOICE | SettingType.FLAG:
            return vol.Required(setting.key, default=setting.default)
        case _ if setting.required:
            return vol.Required(setting.key)
        case _:
            return vol.Optional(setting.key)


def _selector(setting: Setting) -> Selector[Any]:
    match setting.type:
        case SettingType.NUMBER:
            return whole_number(setting.high, setting.unit or None, least=setting.low)
        case SettingType.CHOICE:
            return choice(setting.choices, f"dialect_{setting.key}")
        case SettingType.FLAG:
            return flag()
        case _:
            return text_field(multiline=setting.type is SettingType.LINES)


def _read(setting: Setting, value: Any) -> Any:
    """Return the value of a setting as it is kept."""
    match setting.type:
        case SettingType.NUMBER:
            return int(value) if isinstance(value, int | float) else setting.default
        case SettingType.FLAG | SettingType.CHOICE:
            return setting.default if value is None else value
        case _:
            text = value or ""
            return text.strip() if setting.type in _TRIMMED else text
