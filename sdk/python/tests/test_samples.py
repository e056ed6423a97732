"""The client agrees with sdk/samples.json, as the server and the clients in every language do."""

from __future__ import annotations

import json
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

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
        read = _responses.event_json(frame)
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
    assert _feed.subprotocols(sample["apiKey"]) == ["memx.v1", sample["subprotocol"]]


@pytest.mark.parametrize("sample", SAMPLES["globs"], ids=ids("pattern"))
def test_matches_globs(sample: dict[str, Any]) -> None:
    assert compile_glob(sample["pattern"])(sample["key"]) is sample["matches"]


@pytest.mark.parametrize("sample", SAMPLES["globs"], ids=ids("key"))
def test_escapes_keys(sample: dict[str, Any]) -> None:
    matches = compile_glob(escape_key(sample["key"]))
    assert matches(sample["key"])
    assert not matches(f"{sample['key']}x")
