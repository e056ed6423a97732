"""What `subscribe` and `watch` ask for, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from ._calls import check_text
from ._delivery import Delivery
from ._errors import InvalidRequestError
from ._glob import compile_glob, escape_key
from ._models import EventFilter

Create: TypeAlias = Callable[[Callable[[Delivery], None]], Delivery]


def for_keys(
    keys: str | Iterable[str], *, event: EventFilter, snapshot: bool, since: int | None, buffer: int
) -> Create:
    """Returns what creates the state of a subscription to keys."""
    names = list(dict.fromkeys([keys] if isinstance(keys, str) else keys))
    for name in names:
        check_text(name, "key")
    wanted = frozenset(names)
    begin = _check(names, event=event, snapshot=snapshot, since=since, buffer=buffer)
    return lambda notify: Delivery(
        [escape_key(name) for name in names],
        wanted.__contains__,
        keys=names,
        event=event,
        since=begin,
        max_events=buffer,
        notify=notify,
    )


def for_patterns(
    patterns: str | Iterable[str], *, event: EventFilter, snapshot: bool, since: int | None, buffer: int
) -> Create:
    """Returns what creates the state of a subscription to patterns."""
    globs = list(dict.fromkeys([patterns] if isinstance(patterns, str) else patterns))
    for pattern in globs:
        check_text(pattern, "pattern")
    tests = [compile_glob(pattern) for pattern in globs]
    begin = _check(globs, event=event, snapshot=snapshot, since=since, buffer=buffer)
    return lambda notify: Delivery(
        globs,
        lambda key: any(test(key) for test in tests),
        keys=[],
        event=event,
        since=begin,
        max_events=buffer,
        notify=notify,
    )


def for_mirror(patterns: str | Iterable[str]) -> tuple[Create, Callable[[str], bool]]:
    """Returns what creates the state of a mirror's subscription, and whether a key is in the mirror."""
    globs = [patterns] if isinstance(patterns, str) else list(patterns)
    create = for_patterns(globs, event="value", snapshot=True, since=None, buffer=1_000)
    tests = [compile_glob(pattern) for pattern in globs]
    return create, lambda key: any(test(key) for test in tests)


def _check(names: list[str], *, event: EventFilter, snapshot: bool, since: int | None, buffer: int) -> int | None:
    """Returns the revision to begin after."""
    if not names:
        raise _invalid("Subscribe to at least one key or pattern.")
    if event not in ("value", "schema", "all"):
        raise _invalid('event must be "value", "schema", or "all".')
    if since is not None and (isinstance(since, bool) or not isinstance(since, int) or since < 0):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise _invalid("since must be a revision: a whole number from 0.")
    if since and snapshot:
        raise _invalid("Pass since or snapshot, not both: a snapshot begins with the current entries.")
    if isinstance(buffer, bool) or not isinstance(buffer, int) or buffer < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise _invalid("buffer must be a whole number from 1.")
    return 0 if snapshot else since


def _invalid(message: str) -> InvalidRequestError:
    return InvalidRequestError("invalid_request", message)
