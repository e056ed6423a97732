"""The client for ordinary code: every call of memX as a method, and live changes over one socket."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Literal, TypeVar, overload
from weakref import WeakSet

from . import _calls as calls
from ._errors import ConflictError, NotFoundError
from ._http import HttpClient, SyncHttp
from ._lease import Lease, LeaseSession, on_change, on_status
from ._lease_core import LeaseCore
from ._mirror import Mirror
from ._mirror_core import MAX_CHARS, MirrorCore
from ._models import (
    Batched,
    BatchOperation,
    ChangeEvent,
    Deleted,
    Entries,
    Entry,
    EventFilter,
    Health,
    JsonSchema,
    KeyEntry,
    Patched,
    SchemaEvent,
    SchemaWritten,
    StoredSchema,
    Ttl,
    ValueEvent,
    WhoAmI,
    Written,
)
from ._options import PING_INTERVAL_SECONDS, ReadMode, Transport, read_options
from ._subscription import OnReset, OnStatus, Subscription
from ._sync_feed import SyncFeed
from ._typed import Adapter, OnSchemaChange
from ._typed_key import TypedKey
from ._update import Conflicts
from ._wanted import for_keys, for_mirror, for_patterns

T = TypeVar("T")


class MemX:
    """A client of memX. It may be used by several threads. A `with` block closes it.

    Args:
        api_key: The default is the environment variable MEMX_API_KEY.
        base_url: URL of memX. The default is the environment variable MEMX_BASE_URL, or `http://127.0.0.1:8000`.
        timeout: Seconds for one attempt of a call. Every call has its own `timeout` too.
        retries: Number of retries of a call. They are safe for writes too, which carry an `Idempotency-Key`.
        agent: The name that memX keeps with what this client writes: 1 to 64 printable characters.
        calls: How calls reach memX. With "auto", by HTTP, and over a WebSocket while several are in flight together;
            always by HTTP where sockets do not pass, and with an `http_client`. "socket" and "http" force one.
        reads: Which state `get`, `get_many` and `keys` may read. "strong": the newest. "session": one that has all that
            this client has written, read, and received, and what it was told with `seen`. `MaxAge(2)`: one that is up
            to 2 seconds old. memX may always read a newer one.
        parse_float: Reads numbers that are not integers, such as `decimal.Decimal`. The default is `float`.
        http_client: An `httpx.Client` to use instead of one of the client's own. The caller closes it.
        ping_interval: Seconds between two pings of the subscriptions' socket.
        ping_timeout: A socket counts as dead if a response is due and nothing arrives for so many seconds.

    Raises:
        ValueError: An option makes no sense. The message says what to write instead.

    Example:
        >>> with MemX("local_dev_key") as memx:
        ...     memx.set("agent:goal", {"x": 1, "y": 7})
        ...     print(memx.get("agent:goal").value)
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        timeout: float = 10.0,
        retries: int = 3,
        agent: str | None = None,
        calls: Transport = "auto",
        reads: ReadMode = "strong",
        parse_float: Callable[[str], Any] | None = None,
        http_client: HttpClient | None = None,
        ping_interval: float = PING_INTERVAL_SECONDS,
        ping_timeout: float = 10.0,
    ) -> None:
        options = read_options(
            api_key,
            base_url,
            timeout=timeout,
            retries=retries,
            agent=agent,
            calls=calls,
            reads=reads,
            own_client=http_client is not None,
            parse_float=parse_float,
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
        )
        self._http = SyncHttp(options, http_client)
        self._feed = SyncFeed(self._http)
        # The revision of each schema that this client has set.
        self._own_schemas: dict[str, int] = {}
        self._leases: WeakSet[LeaseSession] = WeakSet()

    @property
    def base_url(self) -> str:
        """URL of memX, without a slash at its end."""
        return self._http.options.base_url

    @property
    def revision(self) -> int:
        """The highest revision that this client has seen, in its writes, its reads, and its subscriptions. 0 before."""
        return self._http.reads.revision

    def seen(self, revision: int) -> None:
        """Tells the client of a revision that another one has seen.

        With `reads="session"`, later reads then have all that the other client knew.

        Raises:
            InvalidRequestError: It is no revision.

        Example:
            >>> memx.seen(other.revision)
        """
        self._http.reads.seen(revision)

    def set(
        self,
        key: str,
        value: object,
        *,
        expect: int | None = None,
        ttl: Ttl | None = None,
        ts: float | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Written:
        """Writes a value. The last write wins, unless `expect` is set.

        Args:
            key: 1 to 512 bytes of UTF-8 without control characters.
            value: None, bool, int, float, `Decimal`, str, list, tuple, or a dict with names that are str. Integers and
                decimals keep every digit.
            expect: Write only if the key's current revision equals this. Use 0 to require that the key does not exist.
            ttl: Seconds until the value expires, a `timedelta`, or "keep" for the time that is left. By default the
                value does not expire.
            ts: Time of the write, in seconds since the epoch. It wins only over earlier writes. The default is memX's
                clock.
            idempotency_key: Identifies the write, so that a repeat changes nothing, even after a restart.
            timeout: Seconds for one attempt.

        Raises:
            InvalidRequestError: JSON cannot say the value, such as NaN. `errors` says where.
            SchemaViolationError: The value does not match the key's schema.
            ConflictError: `expect` does not match.

        Example:
            >>> written = memx.set("agent:goal", {"x": 1})
            >>> memx.set("agent:goal", {"x": 2}, expect=written.revision, ttl=60)
        """
        call = calls.set(key, value, expect=expect, ttl=ttl, ts=ts, idempotency_key=idempotency_key)
        return self._http.send(call, timeout=timeout)

    def get(self, key: str, *, mirror: Mirror[Any] | None = None, timeout: float | None = None) -> Entry[Any] | None:
        """Reads a key's entry. Returns None if the key holds nothing.

        With `mirror`, this is without a call if the mirror is live and covers the key.

        Example:
            >>> entry = memx.get("agent:goal")
            >>> if entry is not None:
            ...     print(entry.value, entry.revision)
        """
        if mirror is not None and mirror.status == "live" and mirror.covers(key):
            return mirror.get(key)
        return self._http.send(calls.get(key), timeout=timeout)

    def get_many(self, keys: Iterable[str], *, timeout: float | None = None) -> Entries[Any]:
        """Reads up to 1,000 keys at one moment.

        Raises:
            ForbiddenError: The API key may not read one of the keys.

        Example:
            >>> goal, plan = memx.get_many(["agent:goal", "agent:plan"]).entries
        """
        return self._http.send(calls.get_many(keys), timeout=timeout)

    def delete(
        self,
        key: str,
        *,
        expect: int | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Deleted:
        """Deletes a key's value. `deleted` is False if the key held nothing.

        Raises:
            ConflictError: `expect` does not match.

        Example:
            >>> memx.delete("agent:goal").deleted
            True
        """
        return self._http.send(calls.delete(key, expect=expect, idempotency_key=idempotency_key), timeout=timeout)

    def patch(
        self,
        key: str,
        operations: Iterable[Mapping[str, object]],
        *,
        expect: int | None = None,
        ttl: Ttl | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Patched[Any]:
        """Applies a JSON Patch (RFC 6902) to the value. Without `ttl`, the time that is left stays.

        Raises:
            ConflictError: `expect` does not match, or an operation does not fit the value, such as a `test`.

        Example:
            >>> memx.patch("plan", [{"op": "add", "path": "/steps/-", "value": "search"}])
        """
        change = calls.json_patch(operations, key)
        return self._patch(key, change, expect, ttl, idempotency_key, timeout)

    def merge(
        self,
        key: str,
        changes: object,
        *,
        expect: int | None = None,
        ttl: Ttl | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Patched[Any]:
        """Merges changes into the value (RFC 7396): members replace those of the value, None removes a member.

        Raises:
            ConflictError: `expect` does not match.

        Example:
            >>> memx.merge("plan", {"owner": "agent-7", "draft": None}).value
            {'owner': 'agent-7'}
        """
        return self._patch(key, calls.merge(changes, key), expect, ttl, idempotency_key, timeout)

    def increment(
        self,
        key: str,
        by: object = 1,
        *,
        path: str | None = None,
        expect: int | None = None,
        ttl: Ttl | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Patched[Any]:
        """Adds to a number exactly. It begins at 0.

        Args:
            by: int, float, or `Decimal`.
            path: JSON Pointer to the number. The default is the value itself.

        Raises:
            ConflictError: `expect` does not match, or the value is not a number.

        Example:
            >>> memx.increment("stats", path="/searches").value
            {'searches': 1}
        """
        return self._patch(key, calls.increment(by, path, key), expect, ttl, idempotency_key, timeout)

    def append(
        self,
        key: str,
        items: Iterable[object],
        *,
        path: str | None = None,
        limit: int | None = None,
        expect: int | None = None,
        ttl: Ttl | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Patched[Any]:
        """Adds items to the end of an array, which begins empty.

        Args:
            path: JSON Pointer to the array. The default is the value itself.
            limit: Keep only this many items, the newest.

        Raises:
            ConflictError: `expect` does not match, or the value is not an array.

        Example:
            >>> memx.append("findings", [{"by": "agent-7", "text": "…"}], limit=200)
        """
        return self._patch(key, calls.append(items, path, limit, key), expect, ttl, idempotency_key, timeout)

    def batch(
        self,
        operations: Iterable[BatchOperation],
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Batched:
        """Applies up to 100 operations in one step: all of them, or none.

        Raises:
            ConflictError: An `expect` does not match.

        Example:
            >>> memx.batch([Set("plan", "b", expect=0), Delete("plan:draft")])
        """
        return self._http.send(calls.batch(operations, idempotency_key=idempotency_key), timeout=timeout)

    def keys(
        self,
        prefix: str | None = None,
        *,
        values: bool = False,
        page_size: int = 1_000,
        timeout: float | None = None,
    ) -> Iterator[KeyEntry[Any]]:
        """Lists the keys that hold a value and that the API key may read, in order. Fetches pages as needed.

        Args:
            prefix: List only keys that begin with this text.
            values: List the values too.
            page_size: Keys for each request: 1 to 1,000.

        Example:
            >>> for entry in memx.keys("task:", values=True):
            ...     print(entry.key, entry.value)
        """
        cursor: Any = None
        while True:
            page = self._http.send(calls.keys(prefix, values, page_size, cursor), timeout=timeout)
            yield from page.items
            if page.cursor is None:
                return
            cursor = page.cursor

    def history(
        self,
        key: str,
        *,
        before: int | None = None,
        page_size: int = 100,
        timeout: float | None = None,
    ) -> Iterator[ChangeEvent[Any]]:
        """Reads a key's changes, newest first, as far back as memX's log reaches. Fetches pages as needed.

        Args:
            before: List only changes with a lower revision.
            page_size: Changes for each request: 1 to 1,000.

        Example:
            >>> for change in memx.history("agent:goal"):
            ...     print(change.revision, change.action)
        """
        cursor: Any = before
        while True:
            page = self._http.send(calls.history(key, page_size, cursor), timeout=timeout)
            yield from page.items
            if page.cursor is None:
                return
            cursor = page.cursor

    def get_schema(self, key: str, *, timeout: float | None = None) -> StoredSchema | None:
        """Reads a key's JSON Schema. Returns None if the key has none.

        Example:
            >>> memx.get_schema("agent:goal")
        """
        try:
            return self._http.send(calls.get_schema(key), timeout=timeout)
        except NotFoundError as error:
            if error.code != "not_found":
                raise
            return None

    def set_schema(
        self,
        key: str,
        schema: JsonSchema,
        *,
        expect: int | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> SchemaWritten:
        """Sets the JSON Schema that every later write to the key must match. The current value stays.

        Args:
            expect: Set it only if the revision of the current schema equals this. 0 requires that there is none.

        Raises:
            InvalidSchemaError: memX cannot use the schema. `errors` says where and why.
            ConflictError: `expect` does not match.

        Example:
            >>> memx.set_schema("agent:goal", {"type": "object", "required": ["x", "y"]})
        """
        call = calls.set_schema(key, schema, expect=expect, idempotency_key=idempotency_key)
        written = self._http.send(call, timeout=timeout)
        self._own_schemas[key] = written.revision
        return written

    def delete_schema(
        self,
        key: str,
        *,
        expect: int | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> SchemaWritten:
        """Deletes a key's JSON Schema.

        Raises:
            NotFoundError: The key has none.
            ConflictError: `expect` does not match the revision of the schema.

        Example:
            >>> memx.delete_schema("agent:goal")
        """
        call = calls.delete_schema(key, expect=expect, idempotency_key=idempotency_key)
        written = self._http.send(call, timeout=timeout)
        self._own_schemas.pop(key, None)
        return written

    def health(self, *, timeout: float | None = None) -> Health:
        """Checks that memX and its store respond. Needs no API key.

        Example:
            >>> memx.health().status
            'ok'
        """
        return self._http.send(calls.health(), timeout=timeout)

    def whoami(self, *, timeout: float | None = None) -> WhoAmI:
        """Reads what the API key may do, and which memX this is.

        Example:
            >>> memx.whoami().scopes.read
        """
        return self._http.send(calls.whoami(), timeout=timeout)

    def update(
        self,
        key: str,
        change: Callable[[Any], object],
        *,
        expect: int | None = None,
        ttl: Ttl | None = "keep",
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Entry[Any] | None:
        """Reads a value, changes it, and writes it. Returns the entry that the key then holds.

        If another client wrote meanwhile, starts again with the value of that client.

        Args:
            change: Gets the current value, None if the key holds nothing. Returns the new value, or None to write
                nothing. It may run several times.
            expect: Try only once, and only if the key's current revision equals this.
            ttl: Seconds until the value expires. By default the time that is left stays.

        Raises:
            ConflictError: `expect` does not match; without it, after 1,000 conflicts in a row.

        Example:
            >>> memx.update("job:1", lambda job: {"done": job["done"] + 1 if job else 1}).value
            {'done': 1}
        """
        conflicts = Conflicts(expect)
        id_ = calls.check_idempotency_key(idempotency_key)
        entry = self.get(key, timeout=timeout)
        while True:
            value = change(None if entry is None else entry.value)
            if value is None:
                return entry
            revision = expect if expect is not None else entry.revision if entry else 0
            # memX keeps an `Idempotency-Key` with an applied write only, so all attempts can have the same.
            call = calls.set(key, value, expect=revision, ttl=ttl, idempotency_key=id_)
            try:
                written = self._http.send(call, timeout=timeout)
            except ConflictError as conflict:
                pause = conflicts.after(conflict)
                time.sleep(pause)
                # After a pause, the value that the conflict shows is old.
                is_current = conflict.knows_current and pause == 0
                entry = conflict.current_entry if is_current else self.get(key, timeout=timeout)
            else:
                created = entry.created if entry else written.ts
                return Entry(value, ts=written.ts, revision=written.revision, created=created)

    @overload
    def subscribe(
        self,
        keys: str | Iterable[str],
        callback: Callable[[ValueEvent[Any]], object] | None = None,
        *,
        event: Literal["value"] = "value",
        snapshot: bool = False,
        since: int | None = None,
        buffer: int = 1_000,
        on_status: OnStatus | None = None,
        on_reset: OnReset | None = None,
    ) -> Subscription[ValueEvent[Any]]: ...
    @overload
    def subscribe(
        self,
        keys: str | Iterable[str],
        callback: Callable[[SchemaEvent], object] | None = None,
        *,
        event: Literal["schema"],
        snapshot: bool = False,
        since: int | None = None,
        buffer: int = 1_000,
        on_status: OnStatus | None = None,
        on_reset: OnReset | None = None,
    ) -> Subscription[SchemaEvent]: ...
    @overload
    def subscribe(
        self,
        keys: str | Iterable[str],
        callback: Callable[[ChangeEvent[Any]], object] | None = None,
        *,
        event: Literal["all"],
        snapshot: bool = False,
        since: int | None = None,
        buffer: int = 1_000,
        on_status: OnStatus | None = None,
        on_reset: OnReset | None = None,
    ) -> Subscription[ChangeEvent[Any]]: ...
    def subscribe(
        self,
        keys: str | Iterable[str],
        callback: Callable[[Any], object] | None = None,
        *,
        event: EventFilter = "value",
        snapshot: bool = False,
        since: int | None = None,
        buffer: int = 1_000,
        on_status: OnStatus | None = None,
        on_reset: OnReset | None = None,
    ) -> Subscription[Any]:
        """Subscribes to live changes of one key or several. Every change arrives once and in order, also if the
        connection is lost meanwhile.

        Args:
            callback: Gets each event, on one thread for all callbacks of the client. Without it, iterate over the
                subscription.
            event: Which changes to deliver: "value", "schema", or "all".
            snapshot: Begin with the current entries, one event for each key.
            since: Begin after this revision, to continue where a program ended.
            buffer: Number of events that may wait for a slow consumer. What does not fit is fetched later.
            on_status: Called whenever the status changes, and with "connecting" and the error for each attempt that
                failed. If it raises, the subscription ends with that error.
            on_reset: Called if memX no longer knows what was missed: forget all entries, the current ones follow. If
                it raises, the subscription ends with that error.

        Raises:
            InvalidRequestError: A key is invalid, or there is none.

        Example:
            >>> with memx.subscribe("agent:goal") as goals:
            ...     for event in goals:
            ...         print(event.action, event.value)
        """
        create = for_keys(keys, event=event, snapshot=snapshot, since=since, buffer=buffer)
        return Subscription(self._feed, create, callback, on_status, on_reset)

    @overload
    def watch(
        self,
        patterns: str | Iterable[str],
        callback: Callable[[ValueEvent[Any]], object] | None = None,
        *,
        event: Literal["value"] = "value",
        snapshot: bool = False,
        since: int | None = None,
        buffer: int = 1_000,
        on_status: OnStatus | None = None,
        on_reset: OnReset | None = None,
    ) -> Subscription[ValueEvent[Any]]: ...
    @overload
    def watch(
        self,
        patterns: str | Iterable[str],
        callback: Callable[[SchemaEvent], object] | None = None,
        *,
        event: Literal["schema"],
        snapshot: bool = False,
        since: int | None = None,
        buffer: int = 1_000,
        on_status: OnStatus | None = None,
        on_reset: OnReset | None = None,
    ) -> Subscription[SchemaEvent]: ...
    @overload
    def watch(
        self,
        patterns: str | Iterable[str],
        callback: Callable[[ChangeEvent[Any]], object] | None = None,
        *,
        event: Literal["all"],
        snapshot: bool = False,
        since: int | None = None,
        buffer: int = 1_000,
        on_status: OnStatus | None = None,
        on_reset: OnReset | None = None,
    ) -> Subscription[ChangeEvent[Any]]: ...
    def watch(
        self,
        patterns: str | Iterable[str],
        callback: Callable[[Any], object] | None = None,
        *,
        event: EventFilter = "value",
        snapshot: bool = False,
        since: int | None = None,
        buffer: int = 1_000,
        on_status: OnStatus | None = None,
        on_reset: OnReset | None = None,
    ) -> Subscription[Any]:
        """Subscribes to live changes of all keys that match a glob (`*`, `?`, `[abc]`, `[!abc]`) and that the API key
        may read. The options are those of `subscribe`.

        Raises:
            InvalidRequestError: A pattern is invalid, or there is none.

        Example:
            >>> with memx.watch("task:*", snapshot=True) as changes:
            ...     for event in changes:
            ...         print(event.key, event.action, event.value)
        """
        create = for_patterns(patterns, event=event, snapshot=snapshot, since=since, buffer=buffer)
        return Subscription(self._feed, create, callback, on_status, on_reset)

    def mirror(
        self,
        patterns: str | Iterable[str],
        *,
        max_chars: int = MAX_CHARS,
        on_status: OnStatus | None = None,
        timeout: float | None = None,
    ) -> Mirror[Any]:
        """Keeps a copy of all keys that match a glob and that the API key may read, to read them without a call.

        Returns once the copy is complete.

        Args:
            max_chars: The most characters that the entries may have.
            on_status: Called whenever the status changes, and with "connecting" and the error for each attempt that
                failed. If it raises, the mirror ends with that error.
            timeout: The largest number of seconds to wait. None waits for as long as memX is away.

        Raises:
            InvalidRequestError: A pattern is invalid, or there is none.
            MemxError: The entries are too large: its `code` is "mirror_full".
            TimeoutError: The copy was not complete in time.

        Example:
            >>> mirror = memx.mirror("agent:*")
            >>> written = memx.set("agent:goal", {"x": 1})
            >>> mirror.at(written.revision)
            >>> print(mirror.get("agent:goal"), len(mirror))
        """
        create, covers = for_mirror(patterns)
        mirror: Mirror[Any] = Mirror(self._feed, create, MirrorCore(covers, max_chars), on_status)
        try:
            mirror.wait_ready(timeout)
        except BaseException:
            mirror.close()
            raise
        return mirror

    def lease(
        self,
        key: str,
        *,
        ttl: float | timedelta,
        holder: object = None,
        wait: bool | float = False,
        idempotency_key: str | None = None,
    ) -> Lease:
        """Acquires an exclusive lease on a key. A thread renews it until it is released.

        If the call raises, the client also deletes in the background what memX may have written meanwhile.

        Args:
            ttl: Seconds until the key is free again if its holder is gone: 1 to 31,536,000. The lease renews itself
                after a third of it.
            holder: The value of the key during the lease, for other clients to see. memX tells a lease of yours from
                another one by its value, so leave it out unless others need it. The default is a random text.
            wait: Wait until the key is free: True without an end, a number for at most so many seconds.
            idempotency_key: Identifies the claim, so that a program that ended before it got the response can send the
                same claim again.

        Raises:
            ConflictError: Another client holds the lease, unless `wait` is set.
            TimeoutError: The key was not free within `wait` seconds.
            LeaseLostError: memX responded too late for the lease to be valid.

        Example:
            >>> with memx.lease("task:1:lease", ttl=30) as lease:
            ...     memx.batch([Check(lease.key, lease.revision), Set("task:1", "done")])
        """
        core = LeaseCore(key, ttl, holder, bool(wait), idempotency_key, self._http.options.retries)
        session = LeaseSession(core, self._http, self._watch_lease)
        self._leases.add(session)
        session.acquire(None if isinstance(wait, bool) else wait)
        return Lease(session)

    @overload
    def key(self, key: str, kind: type[T], *, on_schema_change: OnSchemaChange = "raise") -> TypedKey[T]: ...
    @overload
    def key(self, key: str, kind: Any, *, on_schema_change: OnSchemaChange = "raise") -> TypedKey[Any]: ...
    def key(self, key: str, kind: Any, *, on_schema_change: OnSchemaChange = "raise") -> TypedKey[Any]:
        """Returns a key with a type: a pydantic model, a dataclass, a `TypedDict`, or whatever `pydantic.TypeAdapter`
        takes. It needs the extra `pydantic`.

        The first write sets the type's JSON Schema in memX. memX stores what pydantic writes, with defaults filled in.

        Args:
            kind: The type of the values.
            on_schema_change: What to do if the key has another schema in memX that this client did not set: "raise"
                `SchemaChangedError`, "replace" the schema, or "keep" it, so that values must match both.

        Example:
            >>> class Goal(pydantic.BaseModel):
            ...     x: float
            ...     y: float
            >>> memx.key("agent:goal", Goal).set(Goal(x=1, y=7))
        """
        calls.check_text(key, "key")
        return TypedKey(self, Adapter(key, kind, on_schema_change), self._own_schemas)

    def close(self) -> None:
        """Ends all subscriptions and the threads behind them, and closes the connections. Leases that are still held
        are not renewed any more.

        Example:
            >>> memx.close()
        """
        self._feed.close()
        self._http.close()
        for session in list(self._leases):
            session.stop()

    def __enter__(self) -> MemX:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _subscribe_typed(
        self,
        adapter: Adapter[T],
        callback: Callable[[ValueEvent[T]], object] | None,
        *,
        snapshot: bool,
        since: int | None,
        buffer: int,
        on_status: OnStatus | None,
        on_reset: OnReset | None,
    ) -> Subscription[ValueEvent[T]]:
        create = for_keys(adapter.key, event="value", snapshot=snapshot, since=since, buffer=buffer)
        return Subscription(self._feed, create, callback, on_status, on_reset, adapter.load_event)

    def _watch_lease(self, session: LeaseSession) -> Callable[[], None]:
        watching = self.subscribe(
            session.core.key,
            on_change(session),
            on_status=on_status(session),
            # After a reset, no event tells of what was deleted meanwhile.
            on_reset=lambda _: session.handle("free"),
        )
        return watching.close

    def _patch(
        self,
        key: str,
        change: Mapping[str, object],
        expect: int | None,
        ttl: Ttl | None,
        idempotency_key: str | None,
        timeout: float | None,
    ) -> Patched[Any]:
        call = calls.patch(key, change, expect=expect, ttl=ttl, idempotency_key=idempotency_key)
        return self._http.send(call, timeout=timeout)
