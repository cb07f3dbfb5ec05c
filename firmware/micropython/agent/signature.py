"""Signatures: ECDSA on P-256. Nothing here is secret, so nothing need be constant in time."""

import binascii
import hashlib

from .texts import to_hex

_P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    1,
)
_SPKI = binascii.unhexlify("3059301306072a8648ce3d020106082a8648ce3d030107034200")


def load_key(text):
    """Return point and id of a public key: PEM, or the base64 of its uncompressed point; ValueError where it is none."""
    lines = [line for line in text.strip().split("\n") if not line.startswith("-----")]
    raw = binascii.a2b_base64("".join(lines))
    if raw[: len(_SPKI)] == _SPKI:
        raw = raw[len(_SPKI) :]
    if len(raw) != 65 or raw[0] != 4:
        raise ValueError("key")
    x, y = int.from_bytes(raw[1:33], "big"), int.from_bytes(raw[33:], "big")
    if x >= _P or y >= _P or (y * y - (x * x - 3) * x - _B) % _P:
        raise ValueError("key")
    return (x, y, 1), to_hex(hashlib.sha256(raw).digest())[:16]


def is_signed(text, signature, point):
    """Tell whether a base64 signature (r and s) of a text is by the key of this point."""
    try:
        raw = binascii.a2b_base64(signature)
    except ValueError:
        return False
    # Written in another way than base64 asks for, it is refused like a wrong one.
    if len(raw) != 64 or binascii.b2a_base64(raw).strip() != signature.encode():
        return False
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    if not (0 < r < _N and 0 < s < _N):
        return False
    digest = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
    inverse = _inverse(s, _N)
    x, _, z = _sum_of_products(digest * inverse % _N, _G, r * inverse % _N, point)
    return bool(z) and (x * _inverse(z * z % _P, _P)) % _P % _N == r


def _inverse(number, modulus):
    a, b, u, v = number % modulus, modulus, 1, 0
    while a:
        q = b // a
        a, b, u, v = b - q * a, a, v - q * u, u
    return v % modulus


def _sum_of_products(j, p, k, q):
    """Return j * p + k * q, in Jacobian coordinates; z is 0 for the point at infinity."""
    both = _add(p, q)
    total = (1, 1, 0)
    for place in range(255, -1, -1):
        total = _double(total)
        a, b = j >> place & 1, k >> place & 1
        if a or b:
            total = _add(total, both if a and b else p if a else q)
    return total


def _double(p):
    x, y, z = p
    square = y * y % _P
    s = 4 * x * square % _P
    zz = z * z % _P
    m = 3 * (x - zz) * (x + zz) % _P
    x3 = (m * m - 2 * s) % _P
    return x3, (m * (s - x3) - 8 * square * square) % _P, 2 * y * z % _P


def _add(p, q):
    if not p[2]:
        return q
    if not q[2]:
        return p
    zz1, zz2 = p[2] * p[2] % _P, q[2] * q[2] % _P
    u1, u2 = p[0] * zz2 % _P, q[0] * zz1 % _P
    s1, s2 = p[1] * zz2 * q[2] % _P, q[1] * zz1 * p[2] % _P
    h, r = (u2 - u1) % _P, (s2 - s1) % _P
    if not h:
        return (1, 1, 0) if r else _double(p)
    hh = h * h % _P
    hhh, v = h * hh % _P, u1 * hh % _P
    x3 = (r * r - hhh - 2 * v) % _P
    return x3, (r * (v - x3) - s1 * hhh) % _P, h * p[2] * q[2] % _P
