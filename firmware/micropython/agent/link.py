"""MQTT 3.1.1, as much as a board needs."""

import select
import socket
import struct
import time

_CONNACK, _PUBLISH, _PUBACK = 0x20, 0x30, 0x40
_TIMEOUT = 10  # seconds without a byte in the middle of a packet, or without room to send one
_SLOWEST = 30_000  # ms until a packet must be there
_SCRATCH = 256
_LONGEST_TOPIC = 512
_MOST_UNACKNOWLEDGED = 64
# No network; a broker that is no broker; a name without an address; a port without TLS.
_UNREACHABLE = (OSError, ValueError, IndexError, ImportError, AttributeError)


class Link:
    """A connection to a broker. Every method raises OSError when it is lost."""

    def __init__(self, host, port, client_id, user, password, ca, keep_alive, limit):
        """`limit` is the length of the longest message that is wanted; longer ones are dropped unread."""
        self._host, self._port, self._ca = host, port, ca
        self._login = client_id, user, password
        self._keep_alive = keep_alive
        self._limit = limit
        self._socket = None
        self._poll = None
        self._pinged_at = self._heard_at = self._began_at = 0
        self._pid = 0
        self.unacknowledged = set()

    @property
    def is_up(self):
        """Tell whether there is a connection."""
        return self._socket is not None

    def connect(self, will_topic, will):
        """Connect with a clean session and a retained last will."""
        raw = socket.socket()
        try:
            self._socket = raw
            raw.settimeout(_TIMEOUT)
            address = socket.getaddrinfo(self._host, self._port, socket.AF_INET, socket.SOCK_STREAM)[0][-1]
            raw.connect(address)
            _without_delay(raw)
            if self._ca is not None:
                self._socket = _secure(raw, self._ca, self._host)
            self._poll = select.poll()
            self._poll.register(self._socket, select.POLLIN)
            self._greet(will_topic, will)
        except _UNREACHABLE as err:
            self.close()
            raise OSError(str(err))

    def _greet(self, will_topic, will):
        client_id, user, password = self._login
        flags = 0x02 | 0x04 | 0x08 | 0x20
        body = _field(client_id) + _field(will_topic) + _field(will)
        if user is not None:
            flags |= 0x80
            body += _field(user)
            if password is not None:
                flags |= 0x40
                body += _field(password)
        self.unacknowledged.clear()
        self._send(0x10, b"\x00\x04MQTT\x04" + struct.pack(">BH", flags, self._keep_alive) + body)
        kind, length = self._read_head()
        if kind != _CONNACK or length != 2:
            raise OSError("no MQTT broker")
        code = self._read(2)[1]
        if code:
            raise OSError("the broker refuses, code %d" % code)
        self._pinged_at = self._heard_at = time.ticks_ms()

    def publish(self, topic, payload, qos=1, retain=False):
        """Send a message; returns its packet id, 0 with QoS 0."""
        body = _field(topic)
        pid = 0
        if qos:
            if len(self.unacknowledged) == _MOST_UNACKNOWLEDGED:
                raise OSError("the broker acknowledges nothing")
            pid = self._next_pid()
            self.unacknowledged.add(pid)
            body += struct.pack(">H", pid)
        self._send(_PUBLISH | qos << 1 | (1 if retain else 0), body + payload)
        return pid

    def subscribe(self, topic, qos):
        """Hear a topic."""
        self._send(0x82, struct.pack(">H", self._next_pid()) + _field(topic) + bytes((qos,)))

    def unsubscribe(self, topic):
        """Hear a topic no more."""
        self._send(0xA2, struct.pack(">H", self._next_pid()) + _field(topic))

    def receive(self, wait_ms, take):
        """Wait for a packet; a message goes to `take(topic, payload)` and is acknowledged then. False: nothing came."""
        self._keep_awake()
        if not self._poll.poll(wait_ms):
            return False
        kind, length = self._read_head()
        self._heard_at = time.ticks_ms()
        if kind & 0xF0 == _PUBLISH:
            self._receive_message(kind, length, take)
        elif length > _SCRATCH:
            raise OSError("no MQTT")
        else:
            body = self._read(length)
            if kind == _PUBACK and length == 2:
                self.unacknowledged.discard(struct.unpack(">H", body)[0])
        return True

    def drain(self, wait_ms):
        """Wait until everything that was said is acknowledged, but not for ever; what comes meanwhile is lost."""
        until = time.ticks_add(time.ticks_ms(), wait_ms)
        while self.unacknowledged and time.ticks_diff(until, time.ticks_ms()) > 0:
            self.receive(50, _ignore)

    def close(self, clean=False):
        """End the connection; a clean end discards the last will."""
        if self._socket is None:
            return
        try:
            if clean:
                self._send(0xE0, b"")
        except OSError:
            pass
        try:
            self._socket.close()
        except OSError:
            pass
        self._socket = self._poll = None

    def _receive_message(self, kind, length, take):
        size = struct.unpack(">H", self._read(2))[0] if length >= 2 else 0
        has_pid = kind & 0x06
        length -= 2 + size + (2 if has_pid else 0)
        # Nothing was subscribed to with QoS 2, nor with so long a topic.
        if length < 0 or size > _LONGEST_TOPIC or kind & 0x04:
            raise OSError("no MQTT")
        try:
            topic = str(self._read(size), "utf-8")
        except ValueError:
            raise OSError("no MQTT")
        pid = self._read(2) if has_pid else None
        if length > self._limit:
            while length:
                length -= len(self._read(min(length, _SCRATCH)))
        else:
            take(topic, self._read(length))
        if pid is not None and self._socket is not None:
            self._send(_PUBACK, bytes(pid))

    def _keep_awake(self):
        """Make the broker speak now and then, so that a dead connection is found out."""
        now = time.ticks_ms()
        if not self._keep_alive:
            return
        if time.ticks_diff(now, self._heard_at) > 1500 * self._keep_alive:
            raise OSError("the broker is silent")
        if time.ticks_diff(now, self._pinged_at) > 500 * self._keep_alive:
            self._pinged_at = now
            self._send(0xC0, b"")

    def _next_pid(self):
        self._pid = self._pid % 65535 + 1
        return self._pid

    def _send(self, kind, body):
        head = bytearray((kind,))
        length = len(body)
        while length > 127:
            head.append(length & 127 | 128)
            length >>= 7
        head.append(length)
        packet = bytes(head) + body
        if self._socket is None or self._socket.write(packet) != len(packet):
            raise OSError("cannot send")

    def _read_head(self):
        self._began_at = time.ticks_ms()
        kind = self._read(1)[0]
        length = 0
        for place in range(4):
            byte = self._read(1)[0]
            length |= (byte & 127) << 7 * place
            if byte < 128:
                return kind, length
        raise OSError("no MQTT")

    def _read(self, count):
        buffer = bytearray(count)
        view, got = memoryview(buffer), 0
        while got < count:
            read = self._socket.readinto(view[got:])
            if not read:
                raise OSError("the connection is lost")
            got += read
            if time.ticks_diff(time.ticks_ms(), self._began_at) > _SLOWEST:
                raise OSError("the broker is too slow")
        return buffer


def _ignore(topic, payload):
    pass


def _field(text):
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack(">H", len(raw)) + raw


def _without_delay(raw):
    """Send small packets at once, where the port can."""
    try:
        raw.setsockopt(6, 1, 1)  # IPPROTO_TCP, TCP_NODELAY: not every port names them
    except (OSError, ValueError, AttributeError):
        pass


def _secure(raw, ca, host):
    """Wrap a socket in TLS that trusts one certificate authority and checks the broker's name."""
    try:
        import ssl as tls
    except ImportError:
        import tls
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED
    context.load_verify_locations(cadata=ca) if tls.__name__ == "ssl" else context.load_verify_locations(ca)
    return context.wrap_socket(raw, server_hostname=host)
