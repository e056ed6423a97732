"""Sends calls by HTTP, with retries. The only module that knows the HTTP library."""

from __future__ import annotations

import asyncio
import functools
import os
import threading
import time
import weakref
from typing import Any, TypeAlias, TypeVar

import httpx

from ._async_calls import AsyncCalls, AsyncTurn
from ._call_message import Broken, Message, Reply, message_of
from ._calls import Call, headers_of
from ._errors import MemxError, NetworkError, TimeoutError
from ._json import Decoder
from ._options import Options
from ._reads import Reads, read_revision
from ._responses import not_from_memx, read_error
from ._retry import Retries
from ._sockets import CallFailed
from ._sync_calls import SyncCalls, Turn

R = TypeVar("R")

HttpClient: TypeAlias = httpx.Client
"""The HTTP client that `MemX` takes."""
AsyncHttpClient: TypeAlias = httpx.AsyncClient
"""The HTTP client that `AsyncMemX` takes."""

REVISION_HEADER = "memx-revision"

# Agents keep idle connections for as long as memX does; a lost one costs only a retry.
_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=30)


class _Attempt:
    """One attempt of a call: the request, the time it has, and what came back."""

    def __init__(
        self,
        client: httpx.Client | httpx.AsyncClient,
        options: Options,
        decoder: Decoder,
        reads: Reads,
        call: Call[Any],
        timeout: float,
    ) -> None:
        self._decoder = decoder
        self._reads = reads
        self._call = call
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._chunks: list[bytes] = []
        self.request = client.build_request(
            call.method,
            options.base_url + call.target,
            headers=headers_of(call, options),
            content=None if call.body is None else call.body.encode(),
            # Waiting for a free connection has no limit of its own, because each of them is free in time.
            timeout=httpx.Timeout(timeout, pool=None),
        )

    def add(self, chunk: bytes) -> None:
        """Takes a part of the body. A body that trickles in does not outlast the timeout."""
        self._chunks.append(chunk)
        if time.monotonic() > self._deadline:
            raise httpx.ReadTimeout("The body did not arrive in time.", request=self.request)

    def reply(self, reply: Reply | Broken) -> Any:
        """Returns the result of a reply over a socket, or raises the error that HTTP would have."""
        if isinstance(reply, Broken):
            broken = httpx.ConnectError if reply.opening else httpx.ReadError
            kind = httpx.ReadTimeout if reply.timed_out else broken
            cause = kind(reply.reason, request=self.request)
            raise self.failure(cause) from cause
        self._chunks = [reply.text.encode()]
        headers = {"content-type": "application/json"}
        if reply.retry is not None:
            headers["retry-after"] = reply.retry
        if reply.revision is not None:
            headers[REVISION_HEADER] = str(reply.revision)
        return self.result(httpx.Response(reply.status, headers=headers, request=self.request))

    def failure(self, cause: httpx.RequestError) -> MemxError:
        key = self._call.key
        if isinstance(cause, httpx.TimeoutException):
            error: MemxError = TimeoutError("timeout", f"memX did not respond within {self._timeout:g} s.", key=key)
        else:
            reason = str(cause) or type(cause).__name__
            error = NetworkError("network", f"memX cannot be reached: {reason}.", key=key)
        error = _with_class(error, type(cause))
        cause.request = self.request
        error.request = self.request  # pyright: ignore[reportAttributeAccessIssue]
        return error

    def result(self, response: httpx.Response) -> Any:
        """Returns the result of a complete response, or raises its error."""
        text = b"".join(self._chunks).decode("utf-8", "replace")
        call = self._call
        revision = read_revision(response.headers.get(REVISION_HEADER))
        if not response.is_success:
            error = read_error(response.status_code, response.headers, text, call.key, self._decoder)
            self._reads.failed(error, revision)
            complete = httpx.Response(
                response.status_code, headers=_content_headers(response), content=text.encode(), request=self.request
            )
            error = _with_class(error, httpx.HTTPStatusError)
            error.request, error.response = self.request, complete  # pyright: ignore[reportAttributeAccessIssue]
            raise error
        self._reads.note(revision)
        try:
            return call.read(self._decoder.decode(text))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise not_from_memx(call.key) from None


def _content_headers(response: httpx.Response) -> list[tuple[str, str]]:
    # The body is decoded already.
    dropped = ("content-encoding", "content-length", "transfer-encoding")
    return [(name, value) for name, value in response.headers.multi_items() if name not in dropped]


def _with_class(error: MemxError, library_class: type[Exception]) -> MemxError:
    """Returns the same error, which is also an instance of a class of the HTTP library."""
    return _combined(type(error), library_class)(error.code, str(error), **error.details())


@functools.cache
def _combined(own: type[MemxError], library_class: type[Exception]) -> type[MemxError]:
    namespace = {"__module__": own.__module__, "__doc__": own.__doc__, "_own_class": own}
    return type(own.__name__, (own, library_class), namespace)


class SyncHttp:
    """The HTTP half of `MemX`."""

    def __init__(self, options: Options, client: HttpClient | None) -> None:
        self.options: Options = options
        self.decoder: Decoder = Decoder(options.parse_float)
        self.reads: Reads = Reads(options.reads)
        self.closed: threading.Event = threading.Event()
        self._calls = SyncCalls(options)
        self._own = client is None
        self._client = client or self._open()
        _check_url(options)

    def _open(self) -> httpx.Client:
        self._process = os.getpid()
        client = httpx.Client(limits=_LIMITS, headers={"user-agent": USER_AGENT})
        # A program that never closes its client leaves no open sockets.
        weakref.finalize(self, client.close)
        return client

    def send(
        self,
        call: Call[R],
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        retries: int | None = None,
        cancelled: threading.Event | None = None,
    ) -> R:
        """Returns the result of a call.

        Args:
            timeout: Seconds for one attempt.
            deadline: The monotonic time after which no attempt begins or goes on.
            retries: The largest number of retries.
            cancelled: Ends the pauses between attempts.

        Raises:
            MemxError: The call failed, also after retries.
        """
        attempts = Retries(self.options.retries if retries is None else retries, time.monotonic())
        cancelled = cancelled or self.closed
        call = self.reads.freshen(call)
        message = None if self.options.calls == "http" else message_of(call, self.options)
        if message is None:
            return self._repeat(call, None, attempts, timeout, deadline, cancelled)
        with self._calls.count():
            return self._repeat(call, message, attempts, timeout, deadline, cancelled)

    def _repeat(
        self,
        call: Call[R],
        message: Message | None,
        attempts: Retries,
        timeout: float | None,
        deadline: float | None,
        cancelled: threading.Event,
    ) -> R:
        while True:
            if self.closed.is_set():
                raise MemxError("closed", "The client is closed.", key=call.key)
            seconds = _time_for(self.options, timeout, deadline, time.monotonic())
            try:
                turn = None
                if message is not None:
                    turn = self._turn(call, message, seconds, deadline)
                if turn is None:
                    return self._attempt(call, call.wait + seconds)
                # It may have waited for its turn.
                seconds = _time_for(self.options, timeout, deadline, time.monotonic())
                reply = turn.wait(seconds)
                return self._read(call, reply, seconds)
            except MemxError as error:
                now = time.monotonic()
                wait = attempts.after(error, now)
                if wait is None or (deadline is not None and now + wait >= deadline):
                    raise
                if cancelled.wait(wait):
                    raise

    def _turn(self, call: Call[R], message: Message, timeout: float, deadline: float | None) -> Turn | None:
        try:
            return self._calls.turn(message, timeout, deadline)
        except CallFailed as failed:
            return self._read(call, failed.failure, timeout)

    def _read(self, call: Call[R], reply: Reply | Broken, timeout: float) -> Any:
        if isinstance(reply, Reply) and reply.status == 200:
            self.reads.note(reply.revision)
            try:
                return call.read(self.decoder.decode(reply.text))
            except (ValueError, KeyError, TypeError, AttributeError):
                raise not_from_memx(call.key) from None
        return _Attempt(self._client, self.options, self.decoder, self.reads, call, timeout).reply(reply)

    def _attempt(self, call: Call[R], timeout: float) -> R:
        if self._own and self._process != os.getpid():
            self._client = self._open()  # A forked process must not share the connections of its parent.
        attempt = _Attempt(self._client, self.options, self.decoder, self.reads, call, timeout)
        try:
            response = self._client.send(attempt.request, stream=True, follow_redirects=False)
            try:
                for chunk in response.iter_bytes():
                    attempt.add(chunk)
            finally:
                response.close()
        except httpx.RequestError as cause:
            raise attempt.failure(cause) from cause
        except RuntimeError:
            if not self._client.is_closed:
                raise
            raise MemxError("closed", "The client is closed.", key=call.key) from None
        return attempt.result(response)

    def close(self) -> None:
        """Closes the connections, unless the caller passed the HTTP client."""
        self.closed.set()
        self._calls.close()
        if self._own:
            self._client.close()


class AsyncHttp:
    """The HTTP half of `AsyncMemX`."""

    def __init__(self, options: Options, client: AsyncHttpClient | None) -> None:
        self.options: Options = options
        self.decoder: Decoder = Decoder(options.parse_float)
        self.reads: Reads = Reads(options.reads)
        self.closed: bool = False
        self._calls = AsyncCalls(options)
        self._own = client is None
        self._client = client or httpx.AsyncClient(limits=_LIMITS, headers={"user-agent": USER_AGENT})
        _check_url(options)

    async def send(
        self,
        call: Call[R],
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        retries: int | None = None,
    ) -> R:
        """Returns the result of a call. See `SyncHttp.send`; a cancelled task ends the call at once."""
        attempts = Retries(self.options.retries if retries is None else retries, time.monotonic())
        call = self.reads.freshen(call)
        message = None if self.options.calls == "http" else message_of(call, self.options)
        if message is None:
            return await self._repeat(call, None, attempts, timeout, deadline)
        with self._calls.count():
            return await self._repeat(call, message, attempts, timeout, deadline)

    async def _repeat(
        self,
        call: Call[R],
        message: Message | None,
        attempts: Retries,
        timeout: float | None,
        deadline: float | None,
    ) -> R:
        while True:
            if self.closed:
                raise MemxError("closed", "The client is closed.", key=call.key)
            seconds = _time_for(self.options, timeout, deadline, time.monotonic())
            try:
                turn = None
                if message is not None:
                    turn = await self._turn(call, message, seconds, deadline)
                if turn is None:
                    return await self._attempt(call, call.wait + seconds)
                # It may have waited for its turn.
                seconds = _time_for(self.options, timeout, deadline, time.monotonic())
                reply = await turn.wait(seconds)
                return self._read(call, reply, seconds)
            except MemxError as error:
                now = time.monotonic()
                wait = attempts.after(error, now)
                if wait is None or (deadline is not None and now + wait >= deadline):
                    raise
                await asyncio.sleep(wait)

    async def _turn(self, call: Call[R], message: Message, timeout: float, deadline: float | None) -> AsyncTurn | None:
        try:
            return await self._calls.turn(message, timeout, deadline)
        except CallFailed as failed:
            return self._read(call, failed.failure, timeout)

    def _read(self, call: Call[R], reply: Reply | Broken, timeout: float) -> Any:
        if isinstance(reply, Reply) and reply.status == 200:
            self.reads.note(reply.revision)
            try:
                return call.read(self.decoder.decode(reply.text))
            except (ValueError, KeyError, TypeError, AttributeError):
                raise not_from_memx(call.key) from None
        return _Attempt(self._client, self.options, self.decoder, self.reads, call, timeout).reply(reply)

    async def _attempt(self, call: Call[R], timeout: float) -> R:
        attempt = _Attempt(self._client, self.options, self.decoder, self.reads, call, timeout)
        try:
            response = await self._client.send(attempt.request, stream=True, follow_redirects=False)
            try:
                async for chunk in response.aiter_bytes():
                    attempt.add(chunk)
            finally:
                await response.aclose()
        except httpx.RequestError as cause:
            raise attempt.failure(cause) from cause
        except RuntimeError:
            if not self._client.is_closed:
                raise
            raise MemxError("closed", "The client is closed.", key=call.key) from None
        return attempt.result(response)

    async def close(self) -> None:
        """Closes the connections, unless the caller passed the HTTP client."""
        self.closed = True
        await self._calls.close()
        if self._own:
            await self._client.aclose()


USER_AGENT = f"memx-sdk-python httpx/{httpx.__version__}"


def _time_for(options: Options, timeout: float | None, deadline: float | None, now: float) -> float:
    seconds = options.timeout if timeout is None else timeout
    # An attempt that has no time left fails by itself.
    return seconds if deadline is None else max(0.001, min(seconds, deadline - now))


def _check_url(options: Options) -> None:
    try:
        httpx.URL(options.base_url)
    except (httpx.InvalidURL, ValueError) as error:
        raise ValueError(f"base_url is not a URL: {error}") from None
