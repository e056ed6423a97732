"""The client agrees with sdk/samples.json, as the server and the clients in every language do."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

import memx_sdk
from memx_sdk import _feed, _responses, escape_key
from memx_sdk._glob import compile_glob
from memx_sdk._json import Decoder

from .support.server import ROOT

SAMPLES: dict[str, Any] = json.loads((ROOT / "sdk/samples.json").read_text())
DECODER = Decoder()


def ids(name: str) -> Any:
    return lambda sample: str(sample.get(name)) if isinstance(sample, dict) else None


@pytest.mark.parametrize("sample", SAMPLES["events"], ids=ids("text"))
def test_reads_events(sample: dict[str, Any]) -> None:
    frame = _responses.read_frame(sample["text"], DECODER)
    sent = json.loads(sample["text"])
    if sample["means"] == "nothing":
        assert frame is None
    elif sample["means"] == "ready":
        assert frame == _responses.Ready(sent["revision"])
    elif sample["means"] == "reset":
        assert frame == _responses.Reset(sent["revision"])
    else:
        assert isinstance(frame, (memx_sdk.ValueEvent, memx_sdk.SchemaEvent))
        details = {name: getattr(frame, name, None) for name in ("created", "expires", "by")}
        read = {**_responses.event_json(frame), **{name: value for name, value in details.items() if value is not None}}
        assert read == {name: sent[name] for name in sent if name != "unknown"}


def test_keeps_every_digit_of_an_event() -> None:
    exact = Decoder(parse_float=Decimal)
    for sample in SAMPLES["events"]:
        if sample.get("json") and "1E+2" in sample["json"]:
            frame = _responses.read_frame(sample["text"], exact)
            assert isinstance(frame, memx_sdk.ValueEvent)
            assert frame.value is not None
            assert [str(number) for number in frame.value] == [
                "9007199254740993",
                "1.0",
                "-0.0",
                "1E+2",
                "0.1000000000000000055",
            ]
            return
    raise AssertionError("There is no such sample.")


PROBLEMS: list[dict[str, Any]] = [
    {**each, "body": json.dumps({**each, "title": "T", "detail": "D"})} for each in SAMPLES["problems"]
]


@pytest.mark.parametrize("sample", [*PROBLEMS, *SAMPLES["responses"]], ids=ids("body"))
def test_reads_error_responses(sample: dict[str, Any]) -> None:
    error = _responses.read_error(sample["status"], {}, sample["body"], "a")
    assert type(error).__name__ == f"{sample['error']}Error"
    assert type(error) is getattr(memx_sdk, f"{sample['error']}Error")
    assert (error.code, error.status, error.key) == (sample["code"], sample["status"], "a")
    assert _responses.is_final(error) is not sample["retry"]
    body = json.loads(sample["body"]) if sample["body"].startswith("{") else {}
    assert [{"path": each.path, "message": each.message} for each in error.errors] == body.get("errors", [])
    if isinstance(error, memx_sdk.ConflictError):
        assert error.knows_current is ("current" in body)
        if body.get("current"):
            assert error.current_entry == memx_sdk.Entry(**body["current"])


@pytest.mark.parametrize("sample", SAMPLES["retryAfter"]["samples"], ids=ids("header"))
def test_reads_retry_after(sample: dict[str, Any]) -> None:
    now = parsedate_to_datetime(SAMPLES["retryAfter"]["now"]).timestamp()
    assert _responses.read_retry_after(sample["header"], lambda: now) == sample["seconds"]


@pytest.mark.parametrize("sample", SAMPLES["closes"], ids=ids("code"))
def test_reads_close_codes(sample: dict[str, Any]) -> None:
    refusal = _responses.read_refusal(sample["code"], "why")
    assert (refusal is not None) is sample["final"]
    if refusal is not None:
        assert refusal.code in sample["errors"]
        assert str(refusal) == "why"


@pytest.mark.parametrize("sample", SAMPLES["apiKeys"], ids=ids("subprotocol"))
def test_encodes_api_keys(sample: dict[str, Any]) -> None:
    assert _feed.subprotocols("memx.v1", sample["apiKey"]) == ["memx.v1", sample["subprotocol"]]


@pytest.mark.parametrize("sample", SAMPLES["globs"], ids=ids("pattern"))
def test_matches_globs(sample: dict[str, Any]) -> None:
    assert compile_glob(sample["pattern"])(sample["key"]) is sample["matches"]


@pytest.mark.parametrize("sample", SAMPLES["globs"], ids=ids("key"))
def test_escapes_keys(sample: dict[str, Any]) -> None:
    matches = compile_glob(escape_key(sample["key"]))
    assert matches(sample["key"])
    assert not matches(f"{sample['key']}x")


@pytest.mark.parametrize("sample", SAMPLES["entries"], ids=ids("text"))
def test_reads_entries(sample: dict[str, Any]) -> None:
    expected = {name: value for name, value in sample.items() if name not in ("text", "json")}
    entry = _responses.read_entry(DECODER.decode(sample["text"]))
    assert entry == memx_sdk.Entry(json.loads(sample["json"]), **expected)


@pytest.mark.parametrize("sample", SAMPLES["agents"], ids=ids("name"))
def test_knows_the_names_of_writers(sample: dict[str, Any]) -> None:
    if sample["valid"]:
        memx_sdk.MemX(agent=sample["name"]).close()
    else:
        with pytest.raises(ValueError, match="agent"):
            memx_sdk.MemX(agent=sample["name"])


OPERATIONS: dict[str, Any] = {"set": memx_sdk.Set, "delete": memx_sdk.Delete, "check": memx_sdk.Check}


@pytest.mark.parametrize("sample", SAMPLES["requests"], ids=ids("target"))
def test_sends_requests(sample: dict[str, Any]) -> None:
    sent: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(422, json={"code": "invalid_request"})

    with pytest.raises(memx_sdk.InvalidRequestError):
        call_client(sample, respond)
    (request,) = sent
    assert (request.method, request.url.raw_path.decode()) == (sample["method"], sample["target"])
    # As text, because every digit counts, and so does an object's order.
    assert request.content.decode() == sample.get("body", "")


@pytest.mark.parametrize("sample", SAMPLES["successes"], ids=ids("response"))
def test_reads_responses(sample: dict[str, Any]) -> None:
    body = sample["response"] or '{"code":"not_found"}'
    result = call_client(sample, lambda _: httpx.Response(sample.get("status", 200), text=body))
    assert as_json(result) == as_json(sample["result"])


def call_client(sample: dict[str, Any], respond: Callable[[httpx.Request], httpx.Response]) -> Any:
    """Makes the call with the client. A listing returns its items."""
    args = sample["args"]
    if sample["call"] == "batch":
        args = [[OPERATIONS[each["op"]](**without_op(each)) for each in args[0]]]
    with (
        httpx.Client(transport=httpx.MockTransport(respond)) as client,
        memx_sdk.MemX("k", "http://memx", http_client=client) as memx,
    ):
        result = getattr(memx, sample["call"])(*args, **sample.get("options", {}))
        return list(result) if isinstance(result, Iterator) else result


def as_json(result: Any) -> Any:
    """What the sample and the result have in common: `ok` is not in results, and what is absent is None."""
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        result = dataclasses.asdict(result)
    if isinstance(result, dict):
        return {name: as_json(value) for name, value in result.items() if name != "ok" and value is not None}
    return [as_json(each) for each in result] if isinstance(result, (list, tuple)) else result


def without_op(operation: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in operation.items() if name != "op"}
