"""One publisher in one process: what it shares, packs, waits for and lets go of, against a real broker."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from pydantic_core import from_json

from tests.answering import Writer
from tests.broker import DEADLINE_SECONDS, Vhost, eventually, vhost_of
from tests.deadlines import patient
from tests.relay import relay_to
from tests.sample import LANES, Deposit, Note, accounts
from tests.servers import Servers
from writegate import Service
from writegate.contract.lanes import lane_of
from writegate.errors import PublisherBusy, PublishTimeout, QueueFull, ReceiptTimeout
from writegate.message.receipt import Receipt, to_result_message, unknown_result_message
from writegate.message.topology import queue_name
from writegate.publishing import Publisher


@pytest.fixture
def vhost(servers: Servers) -> Iterator[Vhost]:
    with vhost_of(servers, "publisher-test") as made:
        made.declare(accounts)
        yield made


@pytest.fixture
def publisher(vhost: Vhost) -> Iterator[Publisher]:
    with Publisher(vhost.settings()) as made:
        yield made


def test_many_commands_travel_in_few_messages(vhost: Vhost, publisher: Publisher) -> None:
    commands = [Note(text="x" * 200) for _ in range(2000)]
    publisher.publish_many(commands)
    messages = vhost.take(accounts, 0, len(commands))
    size = sum(len(message.body) for message in messages)
    assert len(messages) <= size // (200 * 1024) + 1
    assert [item.id for message in messages for item in message.items] == [one.command_id for one in commands]


def test_calls_that_wait_for_their_key_travel_together(vhost: Vhost, publisher: Publisher) -> None:
    with ThreadPoolExecutor(50) as threads:
        commands = [Deposit(account="a-1", amount=number + 1) for number in range(2000)]
        list(threads.map(publisher.publish, commands))
    messages = vhost.take(accounts, lane_of("a-1", LANES), len(commands))
    assert len(messages) < len(commands) / 2


def test_threads_and_tasks_share_one_connection(vhost: Vhost, publisher: Publisher) -> None:
    async def tasks() -> None:
        await asyncio.gather(*(publisher.apublish(Note(text=str(number))) for number in range(200)))

    with ThreadPoolExecutor(33) as threads:
        running: list[Future[object]] = [threads.submit(asyncio.run, tasks())]
        running += [threads.submit(publisher.publish_many, [Note(text="thread")]) for _ in range(32 * 10)]
        for one in running:
            one.result(DEADLINE_SECONDS)
        eventually(lambda: len(vhost.connections()) > 0, "a connection in the management API")
        assert len(vhost.connections()) == 1
    messages = vhost.take(accounts, 0, 520)
    assert sum(len(message.items) for message in messages) == 520
    assert len(messages) < 520, "what is ready at the same time travels together"


def test_a_task_that_is_cancelled_disturbs_nobody(vhost: Vhost) -> None:
    """As a web framework does when its client goes away."""
    with (
        relay_to(vhost.servers.stack.state.ports["rabbitmq"]) as relay,
        Publisher(vhost.settings(relay.in_place(vhost.url()))) as publisher,
    ):
        publisher.publish(Deposit(account="a-1", amount=1))
        relay.stall()

        async def impatient(timeout: float) -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(publisher.apublish(Deposit(account="a-1", amount=2), timeout=timeout), 0.1)

        asyncio.run(impatient(DEADLINE_SECONDS))
        asyncio.run(impatient(0.2))
        with pytest.raises(PublishTimeout):
            publisher.publish(Deposit(account="a-1", amount=3), timeout=0.3)  # when the second one's limit has passed
        relay.resume()
        publisher.publish(Deposit(account="a-1", amount=4))
    came = vhost.take_all(accounts, lane_of("a-1", LANES))
    amounts = [from_json(item.fields)["amount"] for message in came for item in message.items]
    # What nobody waited for any more may have come or not.
    assert amounts == sorted(amounts)
    assert {1, 2, 4} <= set(amounts)


def test_what_may_wait_in_the_process_is_limited(vhost: Vhost) -> None:
    settings = vhost.settings("amqp://u:p@127.0.0.1:1/", publish_waiting=10, publish_timeout_seconds=0.3)
    with Publisher(settings) as publisher:

        async def crowd() -> list[BaseException | object]:
            calls = (publisher.apublish(Note(text=str(number))) for number in range(25))
            return await asyncio.gather(*calls, return_exceptions=True)

        kinds = [type(one) for one in asyncio.run(crowd())]
        assert (kinds.count(PublishTimeout), kinds.count(PublisherBusy)) == (10, 15)
        # What has timed out makes room again.
        with pytest.raises(PublishTimeout):
            publisher.publish(Note(text="next"), timeout=0.1)


def test_what_timed_out_before_it_left_does_not_arrive_after_all(vhost: Vhost) -> None:
    with relay_to(vhost.servers.stack.state.ports["rabbitmq"]) as relay:
        relay.stall()
        with Publisher(vhost.settings(relay.in_place(vhost.url()))) as publisher:
            with pytest.raises(PublishTimeout):
                publisher.publish(Note(text="too late"), timeout=0.1)
            relay.resume()
            kept = publisher.publish(Note(text="in time"))
    (message,) = vhost.take(accounts, 0, 1)
    assert message.items[0].id == kept.command_id


def test_a_half_open_connection_does_not_hold_a_call_beyond_its_limit(vhost: Vhost) -> None:
    with relay_to(vhost.servers.stack.state.ports["rabbitmq"]) as relay:
        settings = vhost.settings(relay.in_place(vhost.url()), heartbeat_seconds=1)
        with Publisher(settings) as publisher:
            publisher.publish(Note(text="before"))
            relay.stall()
            stalled, started = Note(text="during"), time.monotonic()
            with pytest.raises(PublishTimeout):
                publisher.publish(stalled, timeout=0.5)
            assert 0.5 <= time.monotonic() - started < patient(10)
            eventually(lambda: not publisher.connected, "heartbeats notice it")
            relay.resume()
            publisher.publish(stalled)
    assert len(vhost.take(accounts, 0, 2)) in {2, 3}, "the retry has the same id"


def test_closing_waits_for_what_is_on_its_way(vhost: Vhost) -> None:
    publisher = Publisher(vhost.settings())

    async def close_meanwhile() -> None:
        calls = [asyncio.create_task(publisher.apublish(Note(text=str(number)))) for number in range(500)]
        await asyncio.sleep(0)  # each task hands in its command
        publisher.close()
        await asyncio.gather(*calls)

    asyncio.run(close_meanwhile())
    assert sum(len(message.items) for message in vhost.take(accounts, 0, 500)) == 500
    assert not any(thread.name == "writegate-publish" for thread in threading.enumerate())


def test_a_full_lane_keeps_the_order_of_a_key_among_threads(vhost: Vhost, publisher: Publisher) -> None:
    with vhost.channel() as channel:
        for lane in range(LANES):
            channel.queue_delete(queue_name(accounts.name, lane))
    small = Service("accounts", commands=[], lanes=LANES, max_waiting=50)
    vhost.declare(small)
    accepted: dict[str, list[str]] = {f"k-{number}": [] for number in range(8)}

    def publish(key: str) -> int:
        full = 0
        for number in range(60):
            command = Deposit(account=key, amount=number + 1)
            try:
                accepted[key].append(publisher.publish(command).command_id)
            except QueueFull:
                full += 1
        return full

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(publish, accepted)) > 0
    came: dict[str | None, list[str]] = {key: [] for key in accepted}
    for lane in range(LANES):
        count = sum(len(ids) for key, ids in accepted.items() if lane_of(key, LANES) == lane)
        for message in vhost.take(accounts, lane, count) if count else []:
            for item in message.items:
                came[item.key].append(item.id)
    assert came == accepted


SCRIPT = """
import os, sys
from tests.sample import Note
from writegate.config import Settings
from writegate.errors import UsedAfterFork
from writegate.publishing import Publisher

publisher = Publisher(Settings.load(need=("broker_url",)))
publisher.publish(Note(text="parent, before"))
child = os.fork()
if child == 0:
    try:
        publisher.publish(Note(text="child, with its parent's publisher"))
    except UsedAfterFork as error:
        print(error, flush=True)
    with Publisher(Settings.load()) as own:
        own.publish(Note(text="child, with its own"))
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
publisher.publish(Note(text="parent, after"))
"""


def test_a_fork_needs_a_publisher_of_its_own(vhost: Vhost) -> None:
    environment = {**os.environ, "WRITEGATE_BROKER_URL": vhost.url()}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        timeout=patient(60),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "this publisher belongs to the parent process: make one after the fork" in done.stdout
    texts = [message.items[0].fields for message in vhost.take(accounts, 0, 3)]
    assert [from_json(text)["text"] for text in texts] == ["parent, before", "child, with its own", "parent, after"]


def test_a_receipt_arrives(vhost: Vhost, publisher: Publisher) -> None:
    command = Note(text="x")
    with Writer(vhost, to_result_message(receipt := Receipt(command.command_id, "applied", 7, result={"n": 1}))):
        pending = publisher.publish(command, receipt=True)
        assert pending.wait(DEADLINE_SECONDS) == receipt
    assert asyncio.run(pending.get(DEADLINE_SECONDS)) == receipt


def test_a_receipt_that_does_not_arrive_is_a_typed_error_and_forgotten(vhost: Vhost, publisher: Publisher) -> None:
    pending = publisher.publish(Note(text="x"), receipt=True)
    with pytest.raises(ReceiptTimeout, match="the command is accepted"):
        pending.wait(0.05)
    with pytest.raises(ReceiptTimeout):
        asyncio.run(pending.get(0.05))
    assert len(publisher._receipts) == 1  # noqa: SLF001  what it keeps is the question
    del pending
    eventually(lambda: gc.collect() >= 0 and not publisher._receipts, "nothing is kept")  # noqa: SLF001


def test_a_reply_that_cannot_be_read_disturbs_nothing_else(vhost: Vhost, publisher: Publisher) -> None:
    command = Note(text="x")
    with Writer(vhost, b'{"result": {"of": "a later version"}}'):
        pending = publisher.publish(command, receipt=True)
        with pytest.raises(ReceiptTimeout, match="cannot be read"):
            pending.wait(DEADLINE_SECONDS)
    publisher.publish(Note(text="and it goes on"))


def test_looking_up_a_command(vhost: Vhost, publisher: Publisher) -> None:
    with Writer(vhost, to_result_message(receipt := Receipt("c-1", "parked")), unknown_result_message("c-2")):
        assert publisher.lookup("accounts", "c-1", DEADLINE_SECONDS) == receipt
        assert publisher.lookup("accounts", "c-2", DEADLINE_SECONDS) is None
    with pytest.raises(ReceiptTimeout, match="no answer about c-3"):
        publisher.lookup("accounts", "c-3", 0.05)
    with pytest.raises(ReceiptTimeout, match="no answer about c-3"):
        asyncio.run(publisher.alookup("accounts", "c-3", 0.05))
    eventually(lambda: gc.collect() >= 0 and not publisher._receipts, "nothing is kept")  # noqa: SLF001
