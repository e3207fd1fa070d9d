"""The spool in front of a real broker that is gone, blocked, silent or full."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.broker import DEADLINE_SECONDS, Vhost, eventually, memory_alarm, vhost_of
from tests.deadlines import patient
from tests.relay import Relay, relay_to
from tests.sample import LANES, Deposit, Note, accounts
from tests.servers import Servers
from writegate import Service
from writegate.config import Settings
from writegate.contract.lanes import lane_of
from writegate.errors import PublishTimeout, QueueFull, SpoolFull
from writegate.publishing import Publisher

NOWHERE = "amqp://u:p@127.0.0.1:1/"


@pytest.fixture
def vhost(servers: Servers) -> Iterator[Vhost]:
    with vhost_of(servers, "publisher-spool") as made:
        made.declare(accounts)
        yield made


@pytest.fixture
def relay(servers: Servers) -> Iterator[Relay]:
    with relay_to(servers.stack.state.ports["rabbitmq"]) as made:
        yield made


def settings_of(vhost: Vhost, directory: Path, url: str = "", **more: Any) -> Settings:
    return vhost.settings(url, spool_directory=str(directory), publish_timeout_seconds=4, **more)


def came(vhost: Vhost, key: str, count: int) -> list[str]:
    """Ids in the lane of a key, in order, each once."""
    messages = vhost.take(accounts, lane_of(key, LANES), count)
    return list(dict.fromkeys(item.id for message in messages for item in message.items if item.key == key))


def test_while_the_broker_is_away_commands_are_spooled_and_then_sent_in_order(
    vhost: Vhost, tmp_path: Path, relay: Relay
) -> None:
    with Publisher(settings_of(vhost, tmp_path, relay.in_place(vhost.url()))) as publisher:
        accepted = [publisher.publish(Deposit(account="k", amount=1))]
        relay.stall()
        relay.reset()
        slowest = 0.0
        for amount in range(2, 40):
            started = time.monotonic()
            accepted.append(publisher.publish(Deposit(account="k", amount=amount)))
            slowest = max(slowest, time.monotonic() - started)
        accepted += publisher.publish_many(Deposit(account="k", amount=amount) for amount in range(40, 60))
        relay.resume()
        eventually(
            lambda: publisher.publish(Deposit(account="k", amount=60)).accepted_by == "confirmed",
            "the spool to be empty",
        )
    assert [one.accepted_by for one in accepted] == ["confirmed"] + ["spooled"] * 58
    assert slowest < patient(4)
    ids = came(vhost, "k", 59)
    assert ids[:59] == [one.command_id for one in accepted]
    assert list(tmp_path.glob("*/*")) == [], "nothing is left in the spool's directory"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_silent_broker_makes_a_call_turn_to_the_spool_before_its_limit(
    vhost: Vhost, tmp_path: Path, relay: Relay, asynchronous: bool
) -> None:
    command = Deposit(account="k", amount=2)
    with Publisher(settings_of(vhost, tmp_path, relay.in_place(vhost.url()))) as publisher:
        publisher.publish(Deposit(account="k", amount=1))
        relay.stall()
        accepted = (
            asyncio.run(publisher.apublish(command, timeout=0.5))
            if asynchronous
            else publisher.publish(command, timeout=0.5)
        )
        assert accepted.accepted_by == "spooled"
        assert publisher.publish(Deposit(account="k", amount=3), timeout=0.2).accepted_by == "spooled", (
            "it stays behind"
        )
        relay.resume()
        assert len(came(vhost, "k", 3)) == 3


def test_a_broker_short_of_memory_is_not_waited_for(vhost: Vhost, tmp_path: Path) -> None:
    with Publisher(settings_of(vhost, tmp_path)) as publisher:
        publisher.publish(Note(text="before"))
        with memory_alarm(vhost.servers):
            spooled = [publisher.publish(Note(text=str(number))) for number in range(5)]
        assert [one.accepted_by for one in spooled] == ["spooled"] * 5
        assert len({item.id for one in vhost.take(accounts, 0, 6) for item in one.items}) == 6


@pytest.mark.parametrize("when_full", ["spool", "wait", "fail"])
def test_a_full_lane_is_met_as_its_service_chose(vhost: Vhost, tmp_path: Path, when_full: str) -> None:
    with vhost_of(vhost.servers, "full-lane") as full:
        full.declare(Service("accounts", commands=[], lanes=LANES, max_waiting=5))
        with Publisher(settings_of(full, tmp_path, when_full=when_full)) as publisher:
            accepted: list[str] = []
            spooled = refused = 0
            for amount in range(1, 21):
                try:
                    answer = publisher.publish(Deposit(account="k", amount=amount), timeout=1)
                except QueueFull:
                    refused += 1
                else:
                    accepted.append(answer.command_id)
                    spooled += answer.accepted_by == "spooled"
            assert (refused > 0, spooled > 0) == (when_full == "fail", when_full != "fail")
            assert came(full, "k", len(accepted)) == accepted


def test_what_a_killed_process_had_spooled_its_successor_sends_before_its_own(vhost: Vhost, tmp_path: Path) -> None:
    victim_settings = settings_of(vhost, tmp_path, when_full="spool")
    script = (
        "import sys, time\n"
        "from writegate.config import Settings\n"
        "from writegate.publishing import Publisher\n"
        "from tests.sample import Deposit\n"
        "publisher = Publisher(Settings.load())\n"
        "for number in range(30):\n"
        "    accepted = publisher.publish(Deposit(account='k', amount=number + 1), timeout=1)\n"
        "    print(accepted.accepted_by, accepted.command_id, flush=True)\n"
        "time.sleep(600)\n"
    )
    environ = {
        "WRITEGATE_BROKER_URL": victim_settings.broker_url,
        "WRITEGATE_SPOOL_DIRECTORY": str(tmp_path),
    }
    told: list[str] = []
    with memory_alarm(vhost.servers):
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environ) as victim:
            assert victim.stdout is not None
            while len(told) < 30:
                how, command_id = victim.stdout.readline().split()
                assert how == "spooled"
                told.append(command_id)
            victim.send_signal(signal.SIGKILL)
        with Publisher(victim_settings) as successor:
            own = successor.publish(Deposit(account="k", amount=99))
            assert own.accepted_by == "spooled"
    with Publisher(victim_settings):
        assert came(vhost, "k", 31) == [*told, own.command_id]


def test_a_full_spool_is_an_error_that_says_so(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {"broker_url": NOWHERE, "spool_directory": str(tmp_path), "spool_bytes": 4096, "publish_timeout_seconds": 3}
    )
    with Publisher(settings) as publisher:
        results: list[str] = []
        for number in range(20):
            try:
                results.append(publisher.publish(Note(text=str(number))).accepted_by)
            except SpoolFull:
                results.append("full")
        assert results == sorted(results, reverse=True)
        assert set(results) == {"spooled", "full"}
        with pytest.raises(SpoolFull, match="is full: it holds") as raised:
            publisher.publish(Note(text="one more"))
        assert raised.value.retryable


def test_switched_off_an_absent_broker_is_an_error_within_the_limit(tmp_path: Path) -> None:
    settings = Settings.model_validate({"broker_url": NOWHERE, "spool_directory": "off"})
    with Publisher(settings) as publisher, pytest.raises(PublishTimeout, match="not connected"):
        publisher.publish(Note(text="nobody"), timeout=0.3)


def test_what_cannot_be_routed_stays_in_the_spool_until_somebody_mends_it(
    vhost: Vhost, tmp_path: Path, relay: Relay
) -> None:
    settings = settings_of(vhost, tmp_path, relay.in_place(vhost.url()))
    queue = f"writes.accounts.{lane_of('k', LANES)}"
    with Publisher(settings) as publisher:
        publisher.publish(Note(text="connected"))
        relay.stall()
        relay.reset()
        assert publisher.publish(Deposit(account="k", amount=1)).accepted_by == "spooled"
        with vhost.channel() as channel:
            channel.queue_delete(queue)
        relay.resume()
        eventually(lambda: publisher.connected, "the connection")
        assert publisher.publish(Deposit(account="k", amount=2)).accepted_by == "spooled"
        vhost.declare(accounts)
        assert len(came(vhost, "k", 2)) == 2


def test_the_time_limit_is_kept_with_a_spool_too(tmp_path: Path) -> None:
    settings = Settings.model_validate({"broker_url": NOWHERE, "spool_directory": str(tmp_path)})
    with Publisher(settings) as publisher:
        started = time.monotonic()
        assert publisher.publish(Note(text="first"), timeout=DEADLINE_SECONDS).accepted_by == "spooled"
        assert time.monotonic() - started < DEADLINE_SECONDS / 2, "a broker that is away is not waited for"
