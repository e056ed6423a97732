"""Leases of both clients against a running memX. test_lease_machine.py has their faults."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from memx_sdk import (
    AsyncMemX,
    Check,
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    LeaseLostError,
    MemX,
    MemxError,
    Set,
    TimeoutError,
)

from .support.proxy import Proxy

Create = Callable[..., Any]


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "memx_sdk")


def test_renews_itself_and_frees_the_key(create: Create, prefix: str) -> None:
    memx, other = create(), create()
    lease = memx.lease(prefix, ttl=1)
    assert (lease.key, lease.revision) == (prefix, lease.token)
    with pytest.raises(ConflictError) as caught:
        other.lease(prefix, ttl=1)
    current: Any = caught.value.current_entry
    assert current.value == lease.holder
    while lease.revision < lease.token + 3:  # Three renewals, so longer than the ttl.
        time.sleep(0.05)
    lease.check()
    assert not lease.lost.is_set()
    assert other.get(prefix).revision >= lease.revision - 1
    lease.release()
    lease.release()
    assert other.get(prefix) is None
    with pytest.raises(LeaseLostError) as lost:
        lease.check()
    assert "released" in str(lost.value)
    assert not lease.lost.is_set()


def test_tokens_grow_and_a_check_fences(create: Create, prefix: str) -> None:
    memx, other = create(), create()
    first = memx.lease(prefix, ttl=timedelta(seconds=30), holder="me")
    assert memx.get(prefix).value == "me"
    memx.batch([Check(first.key, first.revision), Set(f"{prefix}result", 1)])
    first.release()
    second = other.lease(prefix, ttl=30)
    assert second.token > first.token
    with pytest.raises(ConflictError):
        memx.batch([Check(first.key, first.revision), Set(f"{prefix}result", 2)])
    second.release()


def test_waits_until_the_key_is_free(create: Create, prefix: str) -> None:
    memx, other = create(), create()
    first = memx.lease(prefix, ttl=30)
    with pytest.raises(TimeoutError):
        other.lease(prefix, ttl=30, wait=0.3)
    threading.Timer(0.5, first.release).start()
    second = other.lease(prefix, ttl=30, wait=True)
    assert second.token > first.token
    second.abandon()
    with pytest.raises(LeaseLostError):
        second.check()
    second.release()
    assert other.get(prefix) is not None


def test_waits_for_a_lease_that_expires(create: Create, prefix: str) -> None:
    memx, other = create(), create()
    memx.lease(prefix, ttl=1).abandon()
    second = other.lease(prefix, ttl=30, wait=60)
    second.release()


def test_says_that_it_is_lost(create: Create, prefix: str) -> None:
    memx, other = create(), create()
    lease = memx.lease(prefix, ttl=1)
    other.set(prefix, "stolen")
    while not lease.lost.is_set():
        time.sleep(0.02)
    with pytest.raises(LeaseLostError) as caught:
        lease.check()
    assert isinstance(caught.value.__cause__, ConflictError)
    lease.release()
    assert other.get(prefix).value == "stolen"


def test_is_over_in_time_when_memx_is_away(create: Create, proxy: Proxy, prefix: str) -> None:
    memx = create(base_url=proxy.url)
    lease = memx.lease(prefix, ttl=1)
    proxy.swallow()
    while not lease.lost.is_set():
        time.sleep(0.02)
    with pytest.raises(LeaseLostError):
        lease.check()
    lease.release()  # Has no more to do, and does not wait.
    proxy.cut()
    proxy.flow()


def test_releasing_waits_no_longer_than_the_lease(create: Create, proxy: Proxy, prefix: str) -> None:
    memx = create(base_url=proxy.url)
    lease = memx.lease(prefix, ttl=2)
    proxy.swallow()
    lease.release()
    assert not lease.lost.is_set()
    proxy.cut()
    proxy.flow()


def test_a_claim_is_refused_as_any_write(create: Create, prefix: str) -> None:
    with pytest.raises(ForbiddenError):
        create("reader").lease(prefix, ttl=1)
    for options in ({"ttl": 0}, {"ttl": 1, "idempotency_key": "a b"}, {"ttl": 1, "holder": float("nan")}):
        with pytest.raises(InvalidRequestError):
            create().lease(prefix, **options)
    with pytest.raises(InvalidRequestError):
        create().lease("", ttl=1)


def test_a_claim_with_the_same_idempotency_key_is_the_same_claim(create: Create, prefix: str) -> None:
    memx = create()
    first = memx.lease(prefix, ttl=30, idempotency_key=f"{prefix}claim")
    first.abandon()  # As a program that ends without a word.
    with pytest.raises((ConflictError, LeaseLostError)):
        # The first program had its lease, and renewed it. So the repeat is too late.
        create().lease(prefix, ttl=30, idempotency_key=f"{prefix}claim")
    memx.delete(prefix)


def test_closing_the_client_ends_its_leases(create: Create, url: str, prefix: str) -> None:
    memx = create()
    lease = memx.lease(prefix, ttl=30)
    memx.close()
    with pytest.raises(LeaseLostError):
        lease.check()
    lease.release()
    with pytest.raises(MemxError):
        memx.lease(prefix, ttl=30)


# The blocks.


def test_a_block_releases_the_key(url: str, prefix: str) -> None:
    with MemX("local_dev_key", url) as memx:
        with memx.lease(prefix, ttl=30):
            assert memx.get(prefix) is not None
        assert memx.get(prefix) is None
        with pytest.raises(ZeroDivisionError), memx.lease(prefix, ttl=30):
            raise ZeroDivisionError
        assert memx.get(prefix) is None


def test_the_end_of_a_block_raises_if_the_lease_was_lost(url: str, prefix: str) -> None:
    with MemX("local_dev_key", url) as memx:
        with pytest.raises(LeaseLostError), memx.lease(prefix, ttl=1) as lease:
            memx.set(prefix, "stolen")
            assert lease.lost.wait(60)
        with pytest.raises(ZeroDivisionError), memx.lease(f"{prefix}2", ttl=1) as lease:
            memx.set(f"{prefix}2", "stolen")
            assert lease.lost.wait(60)
            raise ZeroDivisionError


async def test_a_lost_lease_cancels_its_block(url: str, prefix: str) -> None:
    async with AsyncMemX("local_dev_key", url) as memx:
        reached = False
        with pytest.raises(LeaseLostError):
            async with memx.lease(prefix, ttl=1):
                await memx.set(prefix, "stolen")
                await asyncio.sleep(600)
                reached = True
        assert not reached
        # The task goes on as if nothing had been cancelled.
        await asyncio.sleep(0)
        assert (await memx.get(prefix)).value == "stolen"  # pyright: ignore[reportOptionalMemberAccess]
        async with memx.lease(f"{prefix}2", ttl=30):
            assert await memx.get(f"{prefix}2") is not None
        assert await memx.get(f"{prefix}2") is None


async def test_a_cancellation_from_outside_stays_one(url: str, prefix: str) -> None:
    async with AsyncMemX("local_dev_key", url) as memx:
        entered = asyncio.Event()

        async def work() -> None:
            async with memx.lease(prefix, ttl=30):
                entered.set()
                await asyncio.sleep(600)

        task = asyncio.create_task(work())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await memx.get(prefix) is None


async def test_a_block_that_ends_as_the_lease_is_lost_raises_that(url: str, prefix: str) -> None:
    async with AsyncMemX("local_dev_key", url) as memx:
        with pytest.raises(LeaseLostError):
            async with memx.lease(prefix, ttl=1) as lease:
                await memx.set(prefix, "stolen")
                with contextlib.suppress(asyncio.CancelledError):
                    await lease.lost.wait()
        with pytest.raises(ZeroDivisionError):
            async with memx.lease(f"{prefix}2", ttl=1) as lease:
                await memx.set(f"{prefix}2", "stolen")
                try:
                    await asyncio.sleep(600)
                except asyncio.CancelledError:
                    raise ZeroDivisionError from None
        await asyncio.sleep(0)


async def test_cancelling_a_claim_leaves_no_key_taken(url: str, proxy: Proxy, prefix: str) -> None:
    async with AsyncMemX("local_dev_key", proxy.url) as memx:
        await memx.health()
        for number, delay in enumerate((0, 0.001, 0.005, 0.01, 0.02, 0.05)):
            task = asyncio.create_task(_claim(memx, f"{prefix}{number}"))
            await asyncio.sleep(delay)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await (await task).release()
        sessions = list(memx._leases)
        # The background is done.
        while any(session.core.machine.state not in ("new", "over") for session in sessions):
            await asyncio.sleep(0.02)
        assert [entry.key async for entry in memx.keys(prefix)] == []


async def _claim(memx: AsyncMemX, key: str) -> Any:
    return await memx.lease(key, ttl=3600)


def test_an_interrupted_claim_leaves_no_key_taken(url: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from memx_sdk._lease import LeaseSession

    with MemX("local_dev_key", url) as memx:

        def interrupt(*_: Any) -> bool:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(LeaseSession, "_wait_for", interrupt)
            with pytest.raises(KeyboardInterrupt):
                memx.lease(prefix, ttl=3600)
        # The claim may still arrive; then it is deleted.
        memx.set(f"{prefix}after", 1)
        while memx.get(prefix) is not None:
            time.sleep(0.02)
