"""Globs in the client, to find the subscriptions that an event is for, and few patterns for many subscriptions."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from urllib.parse import quote

MAX_PATTERNS = 64
MAX_PATTERN_LENGTH = 512

MAX_URL_LENGTH = 6_000
"""Of all patterns in a URL. Some servers and proxies accept no URL of more than 8 KiB."""


def escape_key(key: str) -> str:
    """Returns the pattern that matches this key and no other.

    Example:
        >>> escape_key("what?")
        'what[?]'
    """
    return re.sub(r"[*?[]", r"[\g<0>]", key)


def compile_glob(pattern: str) -> Callable[[str], bool]:
    """Returns a test for whole keys. memX's globs are those of `fnmatch.fnmatchcase`."""
    match = re.compile(fnmatch.translate(pattern)).match
    return lambda key: match(key) is not None


def merge_patterns(patterns: Iterable[str]) -> list[str]:
    """Merges any number of patterns into the few that fit one `/watch`.

    The result matches at least what the patterns match. If there are too many, patterns with a common prefix become one
    wider pattern, and the client drops the changes that it did not ask for. The same set gives the same list.
    """
    covering = sorted({each if _units(each) <= MAX_PATTERN_LENGTH else _widen(each) for each in patterns})
    while len(covering) > MAX_PATTERNS or _url_length(covering) > MAX_URL_LENGTH:
        prefix = _longest_shared_prefix(covering)
        covering = sorted({*(each for each in covering if not _literal_prefix(each).startswith(prefix)), f"{prefix}*"})
    return covering


def _units(text: str) -> int:
    # memX counts a pattern's characters in UTF-16.
    return len(text) + sum(character > "\uffff" for character in text)


def _widen(pattern: str) -> str:
    prefix = _literal_prefix(pattern)[: MAX_PATTERN_LENGTH - 1]
    while _units(prefix) >= MAX_PATTERN_LENGTH:
        prefix = prefix[:-1]
    return f"{prefix}*"


def _longest_shared_prefix(patterns: list[str]) -> str:
    """Returns the longest prefix that two patterns share: in a sorted list they are neighbors."""
    longest = previous = ""
    for pattern in patterns:
        following = _literal_prefix(pattern)
        length = 0
        while length < min(len(following), len(previous)) and following[length] == previous[length]:
            length += 1
        if length > len(longest):
            longest = following[:length]
        previous = following
    return longest


@lru_cache(10_000)
def _literal_prefix(pattern: str) -> str:
    """Returns the text before the first `*`, `?`, or `[`."""
    return re.split(r"[*?[]", pattern, maxsplit=1)[0]


def _url_length(patterns: list[str]) -> int:
    return sum(_parameter_length(pattern) for pattern in patterns)


@lru_cache(10_000)
def _parameter_length(pattern: str) -> int:
    return len("&pattern=") + len(quote(pattern, safe=""))
