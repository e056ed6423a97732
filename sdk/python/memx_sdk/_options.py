"""The options of both clients, their defaults, and what is refused when a client is made."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

Transport: TypeAlias = Literal["auto", "socket", "http"]
"""How calls reach memX."""

_MAX_AGE_SECONDS = 99_999_999


@dataclass(frozen=True, slots=True)
class MaxAge:
    """Reads may answer from a state that is up to so many seconds old."""

    seconds: float


ReadMode: TypeAlias = "Literal['strong', 'session'] | MaxAge"
"""Which state reads answer from."""

DEFAULT_BASE_URL = "http://127.0.0.1:8000"
PING_INTERVAL_SECONDS = 25.0


@dataclass(frozen=True, slots=True)
class Options:
    api_key: str | None
    base_url: str
    timeout: float
    """Seconds for one attempt of a call."""
    retries: int
    agent: str | None
    calls: Transport
    reads: ReadMode
    parse_float: Callable[[str], Any] | None
    ping_interval: float
    ping_timeout: float


def read_options(
    api_key: str | None,
    base_url: str | None,
    *,
    timeout: float,
    retries: int,
    agent: str | None,
    calls: Transport = "auto",
    reads: ReadMode = "strong",
    own_client: bool = False,
    parse_float: Callable[[str], Any] | None,
    ping_interval: float,
    ping_timeout: float,
) -> Options:
    """Returns the complete options.

    Raises:
        ValueError: An option makes no sense. The message says what to write instead.
    """
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"retries must be a whole number from 0, not {retries!r}.")
    return Options(
        api_key=_check_api_key(api_key if api_key is not None else os.environ.get("MEMX_API_KEY") or None),
        base_url=_check_base_url(base_url or os.environ.get("MEMX_BASE_URL") or DEFAULT_BASE_URL),
        timeout=check_seconds("timeout", timeout),
        retries=retries,
        agent=_check_agent(agent),
        calls=_check_calls(calls, own_client),
        reads=_check_reads(reads),
        parse_float=parse_float,
        ping_interval=check_seconds("ping_interval", ping_interval),
        ping_timeout=check_seconds("ping_timeout", ping_timeout),
    )


def check_seconds(name: str, seconds: float) -> float:
    """Returns a duration that a timer can wait for."""
    # A day is more than any of these needs, and far below what a lock or a socket can wait.
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= 86_400:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"{name} must be a number of seconds, more than 0 and at most 86400, not {seconds!r}.")
    assert math.isfinite(seconds)
    return float(seconds)


def _check_base_url(base_url: str) -> str:
    # The message leaves out the URL's user and password.
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError:
        raise ValueError("base_url is not a URL. Write it as http://127.0.0.1:8000.") from None
    if any(character.isspace() for character in base_url):
        raise ValueError("base_url must not contain spaces or line breaks.")
    if parts.username is not None or parts.password is not None:
        raise ValueError("base_url must not contain a user or password. Pass the API key as api_key.")
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"base_url must begin with http:// or https://, not {base_url!r}.")
    if not parts.hostname or port == 0:
        raise ValueError(f"base_url needs a host, such as http://127.0.0.1:8000, not {base_url!r}.")
    if "?" in base_url or "#" in base_url:
        raise ValueError("base_url must not contain `?` or `#`. Write only the address under which memX is.")
    return base_url.rstrip("/")


def _check_calls(calls: Transport, own_client: bool) -> Transport:
    if calls not in ("auto", "socket", "http"):
        raise ValueError(f'calls must be "auto", "socket", or "http", not {calls!r}.')
    # The caller's HTTP client may do what a socket does not, such as passing a proxy.
    return "http" if calls == "auto" and own_client else calls


def _check_reads(reads: ReadMode) -> ReadMode:
    if reads in ("strong", "session"):
        return reads
    if isinstance(reads, MaxAge):  # pyright: ignore[reportUnnecessaryIsInstance]
        seconds: Any = reads.seconds
        is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
        if is_number and 0 <= seconds <= _MAX_AGE_SECONDS:
            return reads
    raise ValueError(f'reads must be "strong", "session", or MaxAge(seconds), not {reads!r}.')


def _check_api_key(api_key: str | None) -> str | None:
    # The message must not contain the API key.
    if api_key is None or api_key == "":
        return None
    if not isinstance(api_key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"api_key must be a str, not {type(api_key).__name__}.")
    if not all("!" <= character <= "~" for character in api_key):
        raise ValueError("api_key must have visible ASCII characters only: no spaces, and no line break at its end.")
    return api_key


def _check_agent(agent: str | None) -> str | None:
    if agent is None:
        return None
    if not 1 <= len(agent) <= 64 or not all(" " <= character <= "~" for character in agent) or agent != agent.strip():
        raise ValueError(f"agent must have 1 to 64 printable ASCII characters, not {agent!r}.")
    return agent
