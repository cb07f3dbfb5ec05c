"""Texts and numbers, as manifests, releases and messages write them."""

import binascii

CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"


def is_board_id(text):
    """Tell whether a text may be the id of a board."""
    return 1 <= len(text) <= 64 and all(c in CHARACTERS for c in text) and text not in (".", "..")


def is_hex(text, length):
    """Tell whether a text is so many hex digits."""
    return len(text) == length and all(c in "0123456789abcdef" for c in text)


def is_line(text):
    """Tell whether a text is 1 to 64 bytes without control characters."""
    return 0 < len(text.encode()) <= 64 and all(ord(c) >= 32 and ord(c) != 127 for c in text)


def to_hex(raw):
    """Write bytes as hex digits."""
    return str(binascii.hexlify(raw), "utf-8")


def to_number(text):
    """Read a decimal of 32 bits; ValueError for any other text."""
    if not 1 <= len(text) <= 10 or not all(c in "0123456789" for c in text) or (text[0] == "0" and text != "0"):
        raise ValueError("number")
    number = int(text)
    if number > 0xFFFFFFFF:
        raise ValueError("number")
    return number


def text_in(fields, name):
    """Return a text of a message; ValueError where it is none."""
    text = fields.get(name)
    if not isinstance(text, str):
        raise ValueError(name)
    return text


def number_in(fields, name, low, high):
    """Return a number of a message; ValueError where it is none, or out of bounds."""
    number = fields.get(name)
    if type(number) is not int or not low <= number <= high:
        raise ValueError(name)
    return number
