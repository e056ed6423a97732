"""What is sent and refused before anything is sent, and how errors look to a program."""

from __future__ import annotations

import pickle
from datetime import timedelta
from typing import Any

import httpx
import pytest

import memx_sdk
from memx_sdk import Check, ConflictError, Delete, InvalidRequestError, MemX, MemxError, Set
from memx_sdk import _calls as calls
from memx_sdk._calls import headers_of
from memx_sdk._http import SyncHttp
from memx_sdk._options import read_options
from memx_sdk._retry import MAX_RETRY_SECONDS, Retries, backoff
from memx_sdk._update import Conflicts


def options(**changed: Any) -> Any:
    names = {
        "timeout": 10,
        "retries": 3,
        "agent": None,
        "parse_float": None,
        "ping_interval": 25,
        "ping_timeout": 10,
    }
    base_url = changed.pop("base_url", "http://127.0.0.1:8000")
    return read_options(changed.pop("api_key", None), base_url, **{**names, **changed})


@pytest.mark.parametrize(
    ("call", "sent"),
    [
        (calls.set("a", 1), ("POST", "/set", '{"key":"a","value":1}')),
        (
            calls.set("a", None, expect=0, ttl=timedelta(minutes=1), ts=1.5),
            ("POST", "/set", '{"key":"a","value":null,"expect":0,"ttl":60.0,"ts":1.5}'),
        ),
        (calls.set("a", 1, ttl="keep"), ("POST", "/set", '{"key":"a","value":1,"ttl":"keep"}')),
        (calls.get("a b/?#%é:🎈"), ("GET", "/get?key=a%20b%2F%3F%23%25%C3%A9%3A%F0%9F%8E%88", None)),
        (calls.get_many(["a", "b"]), ("POST", "/read", '{"keys":["a","b"]}')),
        (calls.delete("a", expect=3), ("POST", "/delete", '{"key":"a","expect":3}')),
        (calls.patch("a", calls.merge({"x": None}, "a")), ("POST", "/patch", '{"key":"a","merge":{"x":null}}')),
        (
            calls.patch("a", calls.json_patch([{"op": "test", "path": "", "value": 1}], "a")),
            ("POST", "/patch", '{"key":"a","patch":[{"op":"test","path":"","value":1}]}'),
        ),
        (
            calls.patch("a", calls.increment(2, "/n", "a")),
            ("POST", "/patch", '{"key":"a","increment":{"path":"/n","by":2}}'),
        ),
        (
            calls.patch("a", calls.append((1,), None, 5, "a"), ttl=9),
            ("POST", "/patch", '{"key":"a","append":{"items":[1],"limit":5},"ttl":9}'),
        ),
        (
            calls.batch([Set("a", {"x": 1}, ttl=5), Delete("b", expect=0), Check("c", 7)]),
            (
                "POST",
                "/batch",
                '{"operations":[{"op":"set","key":"a","value":{"x":1},"ttl":5},'
                '{"op":"delete","key":"b","expect":0},{"op":"check","key":"c","expect":7}]}',
            ),
        ),
        (calls.keys("p:", True, 5, None), ("GET", "/keys?prefix=p%3A&values=true&limit=5", None)),
        (calls.history("a", 5, 9), ("GET", "/history?key=a&limit=5&before=9", None)),
        (
            calls.changes(["a*", "b"], "all", 4),
            ("GET", "/changes?event=all&since=4&wait=0&pattern=a%2A&pattern=b", None),
        ),
        (calls.get_schema("a"), ("GET", "/schema?key=a", None)),
        (calls.set_schema("a", True), ("POST", "/schema", '{"key":"a","schema":true}')),
        (calls.delete_schema("a", expect=2), ("DELETE", "/schema?key=a&expect=2", None)),
        (calls.health(), ("GET", "/health", None)),
        (calls.whoami(), ("GET", "/whoami", None)),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_builds(call: calls.Call[Any], sent: tuple[str, str, str | None]) -> None:
    assert (call.method, call.target, call.body) == sent
    # Every write can be sent again, because it has an `Idempotency-Key`.
    is_write = sent[0] != "GET" and sent[1] != "/read"
    assert (call.idempotency_key is not None) is is_write


def test_a_new_idempotency_key_for_each_write() -> None:
    assert calls.set("a", 1).idempotency_key != calls.set("a", 1).idempotency_key
    assert calls.set("a", 1, idempotency_key="mine").idempotency_key == "mine"


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 256, "a\n"])
def test_refuses_idempotency_keys_that_memx_would_refuse(key: str) -> None:
    with pytest.raises(InvalidRequestError):
        calls.set("a", 1, idempotency_key=key)


@pytest.mark.parametrize("key", ["\ud800", "a\udfff"])
def test_refuses_keys_that_would_reach_memx_as_others(key: str) -> None:
    for build in (calls.get, calls.delete, calls.get_schema, lambda key: calls.set(key, 1), calls.delete_schema):
        with pytest.raises(InvalidRequestError):
            build(key)
    with pytest.raises(InvalidRequestError):
        calls.batch([Delete(key)])


@pytest.mark.parametrize("key", [None, 1, b"a"])
def test_refuses_keys_that_are_no_text(key: Any) -> None:
    with pytest.raises(TypeError):
        calls.get(key)
    with pytest.raises(TypeError):
        MemX().subscribe([key])


def test_refuses_a_text_in_place_of_a_list() -> None:
    with pytest.raises(TypeError):
        calls.append("abc", None, None, "a")
    with pytest.raises(TypeError):
        calls.get_many("abc")


def test_sends_headers() -> None:
    sent = dict(headers_of(calls.set("a", 1, idempotency_key="i"), options(api_key="k~1", agent="agent 7")))
    assert sent == {
        b"accept": b"application/json",
        b"x-api-key": b"k~1",
        b"x-memx-agent": b"agent 7",
        b"content-type": b"application/json",
        b"idempotency-key": b"i",
    }


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"base_url": "ftp://a"}, "http://"),
        ({"base_url": "127.0.0.1:8000"}, "http://"),
        ({"base_url": "http://"}, "host"),
        ({"base_url": "http://user:secret@a"}, "api_key"),
        ({"base_url": "http://a?x=1"}, "`?`"),
        ({"base_url": "http://a#x"}, "`#`"),
        ({"base_url": "http://a b"}, "spaces"),
        ({"base_url": "http://a:99999"}, "not a URL"),
        ({"base_url": "http://a\n"}, "spaces"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": float("inf")}, "timeout"),
        ({"timeout": "10"}, "timeout"),
        ({"timeout": True}, "timeout"),
        ({"ping_interval": -1}, "ping_interval"),
        ({"ping_timeout": 2**31}, "ping_timeout"),
        ({"retries": -1}, "retries"),
        ({"retries": 1.5}, "retries"),
        ({"agent": ""}, "agent"),
        ({"agent": "x" * 65}, "agent"),
        ({"agent": "a\n"}, "agent"),
        ({"api_key": "secret\n"}, "line break"),
        ({"api_key": "secret-schlüssel"}, "ASCII"),
        ({"api_key": 5}, "str"),
    ],
)
def test_refuses_options_that_make_no_sense(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        options(**changed)
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_reads_options_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMX_BASE_URL", "https://memx.example/team/")
    monkeypatch.setenv("MEMX_API_KEY", "from-environment")
    with MemX() as memx:
        assert memx.base_url == "https://memx.example/team"
    assert options(base_url=None).api_key == "from-environment"
    assert options(base_url=None, api_key="given").api_key == "given"
    assert options(base_url=None, api_key="").api_key is None
    monkeypatch.setenv("MEMX_BASE_URL", "")
    assert options(base_url=None).base_url == "http://127.0.0.1:8000"


def test_the_http_library_also_checks_the_url() -> None:
    with pytest.raises(ValueError, match="base_url"):
        SyncHttp(options(base_url="http://1.2.3.999"), None)


# Errors.

KINDS = [kind for name, kind in vars(memx_sdk).items() if name.endswith("Error") and isinstance(kind, type)]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(kind, MemxError)])
def test_errors_survive_a_process_boundary(kind: type[MemxError]) -> None:
    more: dict[str, Any] = {"current": memx_sdk.StoredSchema("a", True, 3)} if "Changed" in kind.__name__ else {}
    error = kind("code", "What happened.", status=400, key="a", request_id="r", retry_after=1.5, **more)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == "What happened."
    assert again.code == "code"
    assert again.details() == error.details()


def test_a_timeout_is_also_pythons() -> None:
    assert issubclass(memx_sdk.TimeoutError, TimeoutError)


# Retries.


def failed(status: int | None = 503, retry_after: float | None = None) -> MemxError:
    return MemxError("store_unavailable" if status else "network", "…", status=status, retry_after=retry_after)


def test_waits_a_random_time_that_grows() -> None:
    for attempt, most in [(0, 0.4), (1, 0.8), (5, 12.8), (6, 20.0), (1000, 20.0)]:
        waits = [backoff(attempt) for _ in range(200)]
        assert 0 <= min(waits) <= max(waits) <= most
        assert max(waits) > most / 2


def test_retries_as_often_as_it_may() -> None:
    retries = Retries(2, now=0)
    assert retries.after(failed(), 1) is not None
    assert retries.after(failed(None), 2) is not None
    assert retries.after(failed(), 3) is None


def test_does_not_retry_what_is_final() -> None:
    for status in (400, 401, 403, 404, 409, 413, 422, 507):
        assert Retries(2, now=0).after(failed(status), 1) is None
    for status in (408, 429, 500, 502, 503):
        assert Retries(2, now=0).after(failed(status), 1) is not None


def test_waits_as_long_as_memx_asks_for() -> None:
    wait = Retries(2, now=0).after(failed(retry_after=7), 0)
    assert wait is not None
    assert 7 <= wait <= 7.4


def test_does_not_retry_when_memx_may_have_forgotten_the_idempotency_key() -> None:
    assert Retries(2, now=0).after(failed(retry_after=3_600), 0) is None
    assert Retries(100, now=0).after(failed(), MAX_RETRY_SECONDS) is None


def test_update_tries_again_at_once_then_with_pauses() -> None:
    conflict = ConflictError("conflict", "…")
    conflicts = Conflicts(None)
    assert conflicts.after(conflict) == 0
    waits = [conflicts.after(conflict) for _ in range(999)]
    assert 0.5 < max(waits) <= 2
    with pytest.raises(ConflictError):
        conflicts.after(conflict)
    with pytest.raises(ConflictError):
        Conflicts(3).after(conflict)


# Responses that memX would not send.


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (httpx.Response(200, text="<html>"), "network"),
        (httpx.Response(200, json={"x": 1}), "network"),
        (httpx.Response(200, json=[]), "network"),
        (httpx.Response(200, text=""), "network"),
        (httpx.Response(301, headers={"location": "http://elsewhere"}), "unexpected_answer"),
        (httpx.Response(404, text="<html>"), "unexpected_answer"),
        (httpx.Response(400, json={"code": 5}), "unexpected_answer"),
        (httpx.Response(400, json={"code": "x", "errors": [1, {"path": 2}]}), "x"),
    ],
)
def test_responses_that_memx_would_not_send_are_errors(response: httpx.Response, code: str) -> None:
    client = httpx.Client(transport=httpx.MockTransport(lambda _: response))
    with client, MemX("k", "http://memx", http_client=client, retries=0) as memx:
        with pytest.raises(MemxError) as caught:
            memx.set("a", 1)
        assert caught.value.code == code
        with pytest.raises(MemxError):
            memx.get("a")
    # The caller's own client stays open until the caller closes it.


def test_uses_the_callers_client_and_leaves_it_open() -> None:
    seen: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, text="null")

    with httpx.Client(transport=httpx.MockTransport(respond), headers={"x-mine": "1"}) as client:
        with MemX("k", "http://memx/team", http_client=client) as memx:
            assert memx.get("a") is None
        assert not client.is_closed
    assert str(seen[0].url) == "http://memx/team/get?key=a"
    assert (seen[0].headers["x-mine"], seen[0].headers["x-api-key"]) == ("1", "k")


def test_a_call_after_close_says_so() -> None:
    memx = MemX("k", "http://memx")
    memx.close()
    memx.close()
    with pytest.raises(MemxError) as caught:
        memx.get("a")
    assert caught.value.code == "closed"


def test_a_caller_that_closes_its_http_client_learns_it() -> None:
    client = httpx.Client()
    client.close()
    with MemX("k", "http://memx", http_client=client) as memx, pytest.raises(MemxError) as caught:
        memx.get("a")
    assert caught.value.code == "closed"
