"""`memxContext`, the client of the original memX. Its calls and results are unchanged; `MemX` underneath does the work.

What is better: it keeps its connection, retries, connects a subscription again and resumes it, and encodes keys. An
exception of a callback is logged, and the subscription goes on. `close` ends its threads.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from . import _calls as calls
from ._calls import Call, Json
from ._client import MemX
from ._errors import MemxError
from ._models import JsonSchema, ValueEvent
from ._options import DEFAULT_BASE_URL
from ._responses import event_json
from ._subscription import Subscription

logger = logging.getLogger("memx_sdk")


class memxContext:
    """The client of the original memX. New code uses `MemX`.

    Args:
        base_url: URL of memX. The default is the environment variable MEMX_BASE_URL, or `http://127.0.0.1:8000`.

    Raises:
        httpx.HTTPStatusError: memX refuses a call. It is a `MemxError` too.

    Example:
        >>> memx = memxContext(api_key="local_dev_key")
        >>> memx.set("agent:goal", {"x": 1, "y": 7})
        >>> memx.get("agent:goal")["value"]
        {'x': 1, 'y': 7}
    """

    api_key: str
    base_url: str

    def __init__(self, api_key: str, base_url: str | None = None) -> None:
        self.api_key = api_key
        self.base_url = base_url or os.environ.get("MEMX_BASE_URL") or DEFAULT_BASE_URL
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], MemX] = {}

    def set(self, key: str, value: Any) -> Any:
        """Writes a value. Returns memX's response: `{"ok": True, "updated": True, "revision": …, "ts": …}`."""
        return self._send(calls.set(key, _json(value)))

    def get(self, key: str) -> Any:
        """Reads a key. Returns `{"value": …, "ts": …, "revision": …}`, or None if the key holds nothing."""
        return self._send(calls.get(key))

    def subscribe(self, key: str, callback: Callable[[dict[str, Any]], object]) -> Subscription[ValueEvent[Any]]:
        """Calls `callback` with each change of a key, on a thread that ends with the program.

        Returns the subscription. Its `close` ends the thread, and its `wait_ready` waits until it is live.
        """
        subscription = self._client.subscribe(key)
        thread = threading.Thread(target=_listen, args=(subscription, callback), name="memx-subscription", daemon=True)
        thread.start()
        return subscription

    def set_schema(self, key: str, schema: JsonSchema) -> Any:
        """Sets a key's JSON Schema. Returns memX's response."""
        return self._send(calls.set_schema(key, schema))

    def get_schema(self, key: str) -> Any:
        """Reads a key's JSON Schema. Returns `{"key": …, "schema": …, "revision": …}`."""
        return self._send(calls.get_schema(key))

    def delete_schema(self, key: str) -> Any:
        """Deletes a key's JSON Schema. Returns memX's response."""
        return self._send(calls.delete_schema(key))

    def close(self) -> None:
        """Ends the subscriptions and their threads, and closes the connections."""
        with self._lock:
            clients = list(self._clients.values())
            self._clients.clear()
        for client in clients:
            client.close()

    @property
    def _client(self) -> MemX:
        # Both attributes may change between two calls, as in the original.
        name = (self.api_key, self.base_url)
        with self._lock:
            if name not in self._clients:
                self._clients[name] = MemX(*name)
            return self._clients[name]

    def _send(self, call: Call[Any]) -> Any:
        return self._client._http.send(replace(call, read=_same))  # pyright: ignore[reportPrivateUsage]


def _json(value: Any) -> Json:
    # As the original: names that are numbers become texts.
    return Json(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def _same(response: Any) -> Any:
    return response


def _listen(subscription: Subscription[ValueEvent[Any]], callback: Callable[[dict[str, Any]], object]) -> None:
    try:
        for event in subscription:
            _call(callback, event_json(event))
    except MemxError as error:
        logger.error("The subscription has ended: %s", error)


def _call(callback: Callable[[dict[str, Any]], object], event: dict[str, Any]) -> None:
    try:
        callback(event)
    except Exception as error:
        # The subscription goes on.
        logger.error("The callback of a subscription raised an exception.", exc_info=error)
