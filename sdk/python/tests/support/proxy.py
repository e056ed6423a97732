"""A TCP proxy that a test disturbs: it cuts connections, and swallows what goes through them."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit


class Proxy:
    """Passes connections on to a memX."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        assert parts.hostname is not None
        assert parts.port is not None
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self._threads: list[threading.Thread] = []
        self._is_refusing = False
        self.accepted = 0
        self._start(self._accept)

    def cut(self) -> int:
        """Cuts all connections. Returns how many there were."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            for end in pair:
                _cut(end)
        return len(pairs)

    def swallow(self) -> None:
        """Passes nothing on from now on, and cuts nothing."""
        self._flowing.clear()

    def refuse(self) -> None:
        """Closes every new connection."""
        self._is_refusing = True

    def accept(self) -> None:
        """Passes on new connections again."""
        self._is_refusing = False

    def flow(self) -> None:
        """Passes on what was held back, and all that comes."""
        self._flowing.set()

    def close(self) -> None:
        _cut(self._listener)
        self._listener.close()
        self.flow()
        self.cut()
        for thread in self._threads:
            thread.join()

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, name="proxy", daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            if self._is_refusing:
                client.close()
                continue
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._pairs.add((client, server))
            self._start(self._pass_on, (client, server), client, server)
            self._start(self._pass_on, (client, server), server, client)

    def _pass_on(self, pair: tuple[socket.socket, socket.socket], source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self._flowing.wait()
                sink.sendall(data)
        for end in pair:
            _cut(end)
        with self._lock:
            is_last = pair not in self._pairs
            self._pairs.discard(pair)
        if is_last:
            for end in pair:
                end.close()


def _cut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
