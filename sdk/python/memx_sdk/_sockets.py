"""What the two clients share about sockets. The only module, besides the feeds, that knows the WebSocket library."""

from __future__ import annotations

import inspect
import json
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, cast
from urllib.parse import urlsplit

from websockets.asyncio import client as async_client
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync import client as sync_client
from websockets.typing import Subprotocol

from ._call_message import CALLS_SUBPROTOCOL, Broken, Reply
from ._errors import MemxError, NetworkError, TimeoutError
from ._feed import SUBPROTOCOL, subprotocols
from ._options import Options
from ._responses import CLOSE_CODES, read_error

MAX_FRAME_BYTES = 16 * 1024 * 1024
"""Far more than memX sends in one frame: a value has at most 256 KiB."""

CLOSE_SECONDS = 1.0
"""A close has this long. The close of a dead connection may take minutes, and changes nothing."""


class _RedirectError(Exception):
    """The server redirects. The API key must not go to another address, so the client does not follow."""


def _refuse_redirect(error: InvalidStatus) -> None:
    if 300 <= error.response.status_code < 400:
        raise _RedirectError("The socket's address redirects to another one.") from error


class SyncSocket(sync_client.ClientConnection):
    """A connection that follows no redirect."""

    def handshake(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().handshake(*args, **kwargs)
        except InvalidStatus as error:
            _refuse_redirect(error)
            raise


class AsyncSocket(async_client.ClientConnection):
    """A connection that follows no redirect."""

    async def handshake(self, *args: Any, **kwargs: Any) -> None:
        try:
            await super().handshake(*args, **kwargs)
        except InvalidStatus as error:
            _refuse_redirect(error)
            raise


def open_socket(options: Options, target: str) -> AbstractContextManager[SyncSocket]:
    """Opens a socket for `MemX`."""
    return _open(options, target, _arguments(options, SyncSocket, SUBPROTOCOL))


def open_call_socket(options: Options) -> AbstractContextManager[SyncSocket]:
    """Opens a socket of calls for `MemX`."""
    arguments = _arguments(options, SyncSocket, CALLS_SUBPROTOCOL)
    return _open(options, "/connect", {**arguments, "open_timeout": options.timeout})


def _open(options: Options, target: str, arguments: dict[str, Any]) -> AbstractContextManager[SyncSocket]:
    return cast("AbstractContextManager[SyncSocket]", sync_client.connect(_url(options, target), **arguments))


def open_async_socket(options: Options, target: str) -> AbstractAsyncContextManager[AsyncSocket]:
    """Opens a socket for `AsyncMemX`."""
    return _open_async(options, target, _arguments(options, AsyncSocket, SUBPROTOCOL))


def open_async_call_socket(options: Options) -> AbstractAsyncContextManager[AsyncSocket]:
    """Opens a socket of calls for `AsyncMemX`."""
    arguments = _arguments(options, AsyncSocket, CALLS_SUBPROTOCOL)
    return _open_async(options, "/connect", {**arguments, "open_timeout": options.timeout})


def _open_async(options: Options, target: str, arguments: dict[str, Any]) -> AbstractAsyncContextManager[AsyncSocket]:
    return cast("AbstractAsyncContextManager[AsyncSocket]", async_client.connect(_url(options, target), **arguments))


def _url(options: Options, target: str) -> str:
    """Returns the URL of a socket."""
    parts = urlsplit(options.base_url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    return f"{scheme}://{parts.netloc}{parts.path}{target}"


def _arguments(options: Options, connection: type[SyncSocket] | type[AsyncSocket], protocol: str) -> dict[str, Any]:
    """Returns the arguments of `connect`."""
    chosen: dict[str, Any] = {
        "create_connection": connection,
        "subprotocols": [Subprotocol(each) for each in subprotocols(protocol, options.api_key)],
        "compression": None,
        "open_timeout": options.ping_timeout,
        "close_timeout": CLOSE_SECONDS,
        "max_size": MAX_FRAME_BYTES,
    }
    # memX answers the pings of the protocol without waking a channel. Those of the library are not needed; version 14
    # has them in its asyncio client only.
    if "ping_interval" in inspect.signature(connection.__init__).parameters:
        chosen["ping_interval"] = None
    return chosen


def connect_error(cause: Exception) -> MemxError:
    """Returns the error of a socket that could not be opened."""
    if isinstance(cause, InvalidStatus):
        response = cause.response
        headers = {name.lower(): value for name, value in response.headers.raw_items()}
        return read_error(response.status_code, headers, bytes(response.body or b"").decode("utf-8", "replace"), None)
    if isinstance(cause, OSError) and "timed out" in str(cause):
        return TimeoutError("timeout", "The socket was not open in time.")
    error = NetworkError("network", f"The socket could not be opened: {str(cause) or type(cause).__name__}.")
    error.__cause__ = cause
    return error


def close_of(closed: ConnectionClosed) -> tuple[int | None, str]:
    """Returns the code and the reason of a close by memX. The code is None if there was no close frame."""
    return (None, "") if closed.rcvd is None else (int(closed.rcvd.code), closed.rcvd.reason)


def lost_error(code: int | None, reason: str) -> MemxError:
    """Returns the error of a socket that was open and closed."""
    what = "broke off" if code is None else f"was closed with {code}{f', {reason}' if reason else ''}"
    return NetworkError("network", f"The socket {what}.")


class CallFailed(Exception):
    """A call got no place on a socket."""

    def __init__(self, failure: Broken | Reply) -> None:
        super().__init__(failure)
        self.failure = failure


def failure_of_open(cause: Exception) -> Broken | Reply:
    """Returns why a socket of calls could not be opened."""
    if isinstance(cause, InvalidStatus):
        return Reply(cause.response.status_code, bytes(cause.response.body or b"").decode("utf-8", "replace"))
    error = connect_error(cause)
    return Broken(str(error).rstrip("."), timed_out=isinstance(error, TimeoutError), opening=True)


def failure_of_close(closed: ConnectionClosed) -> Broken | Reply:
    """Returns what a close by memX means for calls: a refusal has the status and the body that HTTP has."""
    code, reason = close_of(closed)
    refused = None if code in (None, 4422) else CLOSE_CODES.get(code)
    if code is None or refused is None:
        return Broken(str(lost_error(code, reason)).rstrip("."))
    problem = {"code": refused, "detail": reason or f"memX closed the socket: {refused}."}
    return Reply(code - 4000, json.dumps(problem))
