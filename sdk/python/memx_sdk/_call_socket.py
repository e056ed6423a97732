"""A socket of calls, without I/O: which calls have a place on it, its frames, its answers, and its pings.

`_sync_calls` and `_async_calls` move its texts. `CallSockets` decides which calls take a socket.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from typing import Any

from ._call_message import MAX_FRAME_BYTES, Broken, Message, Reply, read_answer, split_frame
from ._options import Options

BUSY_CALLS = 4
"""With so many calls in flight together, `auto` opens a socket."""

IDLE_SECONDS = 2.0
"""A socket without calls closes after this time."""

REOPEN_SECONDS = 1.0
MAX_REOPEN_SECONDS = 300.0

# As in config/limits.ts of memX.
MAX_CALLS = 1000
MAX_CALL_BYTES = 8 * 1024 * 1024
MAX_FRAME_CALLS = 1000

MAX_ANSWER_CHARS = 2 * 1024 * 1024
"""A quarter of what memX lets be unread: it learns only from the second ping after an answer that the client has read
it, and answers may be larger than expected."""

PING_AFTER_CHARS = 256 * 1024
"""memX expects a ping after this many characters, as a sign that the client has read them."""

_FIRST_CHARS = {
    **dict.fromkeys(("get", "patch", "schema_get"), 128 * 1024),
    **dict.fromkeys(("read", "bulk", "keys", "history"), 1024 * 1024),
}
"""What the first answer is expected to have: calls that return a value or a schema, and those that return many."""

_RENEW = '{"event":"renew"}'


class StrangeFrame(Exception):
    """A frame that memX would not send."""


@dataclass(slots=True, eq=False)
class Place:
    """A call without an answer. It keeps its place if its caller has given up."""

    id: int
    message: Message
    answer_chars: int
    waiter: Any
    """Gets the `Reply` or `Broken`. None once the caller has given up."""
    heard: int = 0


class AnswerSizes:
    """How large answers may become: memX closes a socket with too much that the client has not read."""

    def __init__(self) -> None:
        self._expected: dict[str, float] = {}

    def of(self, name: str) -> int:
        return int(self._expected.get(name, _FIRST_CHARS.get(name, 1024)))

    def note(self, name: str, chars: int) -> None:
        self._expected[name] = max(chars, self.of(name) * 0.95)


class CallSocket:
    """One socket. It ends once."""

    def __init__(self, options: Options, sizes: AnswerSizes, now: float) -> None:
        self.state: str = "opening"
        """`opening`, `ready`, `retired` (it takes no more calls), or `ended`."""
        self.answered: bool = False
        self._options = options
        self._sizes = sizes
        self._places: dict[int, Place] = {}
        self._outgoing: list[Place] = []
        self._ping_due = False
        self._pinged_at: float | None = None
        self._next_ping = now + options.ping_interval
        self._open_until = now + options.timeout
        self._idle_since = now
        self._last_id = 0
        self._bytes = 0
        self._answer_chars = 0
        self._heard = 0
        self._unconfirmed = 0

    @property
    def is_done(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.state == "retired" and all(place.waiter is None for place in self._places.values())

    def reserve(self, message: Message, waiter: Any) -> Place | None:
        """Takes a place, and sends the call with the next frames. Returns None if there is no room."""
        expected = self._sizes.of(message.name)
        count = len(self._places)
        if count >= MAX_CALLS or self._bytes + message.size > MAX_CALL_BYTES:
            return None
        if count > 0 and self._answer_chars + expected > MAX_ANSWER_CHARS:
            return None
        self._last_id += 1
        place = Place(self._last_id, message, expected, waiter)
        self._places[place.id] = place
        self._bytes += message.size
        self._answer_chars += expected
        self._outgoing.append(place)
        return place

    def ping(self, now: float) -> None:
        if self._pinged_at is None and self.state != "ended":
            self._pinged_at = now
            self._next_ping = now + self._options.ping_interval
            self._unconfirmed = 0
            self._ping_due = True

    def take_frames(self) -> list[str]:
        """Returns the frames to send now."""
        frames = ["ping"] if self._ping_due else []
        self._ping_due = False
        texts: list[str] = []
        size = 0
        for place in self._outgoing:
            if texts and (size + place.message.size > MAX_FRAME_BYTES or len(texts) == MAX_FRAME_CALLS):
                frames.append("\n".join(texts))
                texts, size = [], 0
            place.heard = self._heard
            texts.append(f'{{"id":{place.id}{place.message.rest}')
            size += place.message.size
        if texts:
            frames.append("\n".join(texts))
        self._outgoing.clear()
        return frames

    @property
    def has_frames(self) -> bool:
        return self._ping_due or bool(self._outgoing)

    def frame(self, text: str, now: float) -> list[tuple[Any, Reply]]:
        """Takes a frame, and returns the waiters that have their replies.

        Raises:
            StrangeFrame: memX would not send this.
        """
        self._heard += 1
        if text == "pong":
            self._pinged_at = None
            if self.state == "opening":
                self.state = "ready"
                self._idle_since = now
            return []
        if self._pinged_at is not None:
            # A sign of life: the pong may be behind megabytes of answers.
            self._pinged_at = now
        if self.state == "opening":
            raise StrangeFrame
        self._unconfirmed += len(text)
        if self._unconfirmed >= PING_AFTER_CHARS:
            self.ping(now)
        replies: list[tuple[Any, Reply]] = []
        for each in split_frame(text):
            answer = read_answer(each)
            place = self._places.get(answer[0]) if answer else None
            if answer is not None and place is not None:
                self.answered = True
                self._sizes.note(place.message.name, len(each))
                self._free(place)
                if place.waiter is not None:
                    replies.append((place.waiter, answer[1]))
            elif each == _RENEW:
                self.retire()
            elif not each.startswith('{"event":'):
                raise StrangeFrame
        if not self._places:
            self._idle_since = now
        return replies

    def abandon(self, place: Place, now: float, *, timed_out: bool = False) -> None:
        """The caller waits no longer. memX may still answer a call that was sent."""
        place.waiter = None
        if place in self._outgoing:
            self._outgoing.remove(place)
            self._free(place)
            self._idle_since = now
        elif timed_out and place.heard == self._heard and place.id in self._places:
            # Over HTTP, the next attempt would have another connection.
            self.retire()

    def retire(self) -> None:
        """Takes no more calls. It ends once it has answered all."""
        if self.state == "ready":
            self.state = "retired"

    def tick(self, now: float) -> Broken | None:
        """Pings and retires when it is time. Returns why the socket is dead, if it is."""
        limit = self._options.ping_timeout
        if self.state == "opening":
            if now >= self._open_until:
                return Broken(f"memX did not respond within {self._options.timeout:g} s.", timed_out=True)
        elif self._pinged_at is not None and now >= self._pinged_at + limit:
            return Broken(f"memX did not respond within {limit:g} s.", timed_out=True)
        elif now >= self._next_ping:
            self.ping(now)
        if self.state == "ready" and not self._places and now >= self._idle_since + IDLE_SECONDS:
            self.retire()
        return None

    def next_tick(self, now: float) -> float:
        """Returns the seconds until `tick` has to be called, at most one: the socket may be retired meanwhile."""
        times = [self._next_ping]
        if self.state == "opening":
            times.append(self._open_until)
        if self._pinged_at is not None:
            times.append(self._pinged_at + self._options.ping_timeout)
        if not self._places:
            times.append(self._idle_since + IDLE_SECONDS)
        return min(1.0, max(0.0, min(times) - now))

    def end(self) -> list[Any]:
        """Ends the socket, and returns those that still wait for a reply."""
        self.state = "ended"
        waiters = [place.waiter for place in self._places.values() if place.waiter is not None]
        self._places.clear()
        self._outgoing.clear()
        return waiters

    def _free(self, place: Place) -> None:
        if self._places.pop(place.id, None) is not None:
            self._bytes -= place.message.size
            self._answer_chars -= place.answer_chars


class CallSockets:
    """Which transport a call takes. With `auto`, HTTP until several calls are in flight, and where sockets fail."""

    def __init__(self, options: Options) -> None:
        self.options: Options = options
        self.sizes: AnswerSizes = AnswerSizes()
        self.in_flight: int = 0
        self.current: CallSocket | None = None
        """The socket for new calls. It may still be opening."""
        self.waiting: deque[tuple[Message, tuple[Any, Any]]] = deque()
        """Calls that wait until the socket has room, the oldest first. The first waiter gets a place or
        None, and the second one the reply."""
        self._failures = 0
        self._reopen_at = 0.0

    def reserve(self, message: Message, waiter: Any) -> Place | None:
        """Takes a place on the current socket. Calls that wait are first."""
        if self.waiting or self.current is None or self.current.state != "ready":
            return None
        return self.current.reserve(message, waiter)

    def wants_socket(self, now: float) -> bool:
        """Whether it is time to open one."""
        if self.current is not None:
            return False
        return self.options.calls == "socket" or (self.in_flight >= BUSY_CALLS and now >= self._reopen_at)

    def left(self, socket: CallSocket) -> None:
        """The socket takes no more calls."""
        if self.current is socket:
            self.current = None

    def failed(self, socket: CallSocket, now: float) -> None:
        self._failures = 1 if socket.answered else self._failures + 1
        wait = min(MAX_REOPEN_SECONDS, REOPEN_SECONDS * 2 ** min(self._failures - 1, 16))
        self._reopen_at = now + wait * random.uniform(0.5, 1)

    def next_waiting(self) -> tuple[Any, Any] | None:
        """Returns the next call that waits and what it gets: a place, or None if there is no socket any more."""
        if not self.waiting:
            return None
        socket = self.current
        if socket is None or socket.state != "ready":
            return self.waiting.popleft()[1][0], None
        message, (found, reply) = self.waiting[0]
        place = socket.reserve(message, reply)
        if place is None:
            return None
        self.waiting.popleft()
        return found, place
