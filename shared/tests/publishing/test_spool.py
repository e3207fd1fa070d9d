"""The spool on disk: order, limits, what a crash leaves, and who takes it over."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.sample import LANES, item
from writegate.config import Settings
from writegate.errors import SpoolBroken, SpoolFull
from writegate.message.topology import ANY, Route, route_of
from writegate.publishing.spool import Entry, Spool, open_spool

HERE, THERE = route_of("accounts", "k", LANES), route_of("accounts", None, LANES)
DAY = 86_400.0


def entry(name: str, route: Route = HERE, size: int = 2) -> Entry:
    return Entry(route, item("k", b'"' + b"x" * (size - 2) + b'"', name))


def opened(directory: Path, limit_bytes: int = 10**6, limit_seconds: float = DAY) -> Spool:
    return Spool(directory, limit_bytes, limit_seconds)


def ids(spool: Spool, route: Route = HERE) -> list[str]:
    return [one.item.id for _, one in spool.read(route, 1000)]


def test_what_was_put_down_is_read_again_as_it_was_in_order_and_by_lane(tmp_path: Path) -> None:
    first = Entry(HERE, item("Zoë", b'{"a":1}', "c-1"), {"traceparent": "00-1"}, receipt=True)
    keyless = Entry(THERE, item(None, b"{}", "c-3"))
    with opened(tmp_path) as spool:
        assert spool.append([[first, entry("c-2")], [keyless], [entry("c-4")]]) == 3
        assert [one for _, one in spool.read(HERE, 1000)] == [first, entry("c-2"), entry("c-4")]
        assert [one for _, one in spool.read(THERE, 1000)] == [keyless]
        assert set(spool.lanes()) == {HERE, THERE}


def test_what_was_confirmed_is_forgotten_and_its_bytes_count_no_more(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append([[entry(f"c-{number}")] for number in range(5)])
        (_, _), (second, _), *_ = spool.read(HERE, 1000)
        assert spool.remove(HERE, second)
        assert ids(spool) == ["c-2", "c-3", "c-4"]
        assert spool.bytes == 3 * entry("c").bytes
        assert not spool.remove(HERE, spool.read(HERE, 1000)[-1][0])
        assert (spool.lanes(), spool.bytes) == ([], 0)


def test_past_its_limit_of_bytes_it_takes_whole_groups_up_to_it(tmp_path: Path) -> None:
    with opened(tmp_path, limit_bytes=3 * entry("c").bytes) as spool:
        assert spool.append([[entry("c-1")], [entry("c-2"), entry("c-3"), entry("c-4")], [entry("c-5")]]) == 1
        assert spool.append([[entry("c-6"), entry("c-7")]]) == 1
        assert spool.append([[entry("c-8")]]) == 0
        assert ids(spool) == ["c-1", "c-6", "c-7"]
        assert "is full: it holds" in spool.why_full()


def test_past_its_limit_of_age_it_takes_nothing_until_the_oldest_has_gone(tmp_path: Path) -> None:
    with opened(tmp_path, limit_seconds=0.05) as spool:
        spool.append([[entry("c-1")]])
        time.sleep(0.1)
        assert spool.append([[entry("c-2")]]) == 0
        assert "waited longer than" in spool.why_full()
        spool.remove(HERE, spool.read(HERE, 1)[0][0])
        assert spool.append([[entry("c-2")]]) == 1


def test_closed_with_something_in_it_the_next_process_finds_it(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append([[entry("c-1")]])
    with opened(tmp_path) as successor:
        assert ids(successor) == ["c-1"]
        assert successor.bytes == entry("c").bytes


def test_a_successor_sends_what_it_finds_to_the_lanes_that_it_knows_itself(tmp_path: Path) -> None:
    """Its service had another number of them, and what the successor publishes now must not overtake it."""
    keys = [f"key-{number}" for number in range(20)]
    with opened(tmp_path) as spool:
        entries = [Entry(route_of("accounts", key, LANES - 1), item(key, b"{}", key)) for key in keys]
        foreign = Entry(Route("writes.unheard_of", "7"), item("k", b"{}", "foreign"))
        anywhere = Entry(Route("writes.accounts", ANY), item("k", b"{}", "anywhere"))
        spool.append([entries, [foreign, anywhere]])
    with opened(tmp_path) as successor:
        found = {lane: [one.item.id for _, one in successor.read(lane, 1000)] for lane in successor.lanes()}
    expected: dict[Route, list[str]] = {foreign.route: ["foreign"], anywhere.route: ["anywhere"]}
    for key in keys:
        expected.setdefault(route_of("accounts", key, LANES), []).append(key)
    assert found == expected


def test_closed_empty_it_leaves_nothing_behind(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append([[entry("c-1")]])
        spool.remove(HERE, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_living_process_keeps_its_file(tmp_path: Path) -> None:
    with opened(tmp_path) as one, opened(tmp_path) as other:
        one.append([[entry("c-1")]])
        assert not other.adopt()
        assert (ids(one), ids(other)) == (["c-1"], [])


_VICTIM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from test_spool import entry, opened
spool = opened(Path(sys.argv[1]))
for number in range(10_000):
    spool.append([[entry(f"{sys.argv[2]}-{number:05}", size=2000)]])
    print(number, flush=True)
"""


def killed(directory: Path, name: str, after: int) -> int:
    """Let a process put down commands and kill it in the midst; return how many commands it knew to be on disk."""
    line = [sys.executable, "-c", _VICTIM, str(directory), name, str(Path(__file__).parent)]
    confirmed = 0
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        for text in victim.stdout:
            confirmed = int(text) + 1
            if confirmed == after:
                victim.kill()
    assert victim.returncode == -signal.SIGKILL
    return confirmed


def test_what_a_killed_process_had_written_is_there_and_a_successor_takes_all_over(tmp_path: Path) -> None:
    confirmed = {name: killed(tmp_path, name, after) for name, after in (("a", 7), ("b", 40))}
    with opened(tmp_path, limit_bytes=10**8) as successor:
        found = ids(successor)
    for name, count in confirmed.items():
        mine = [command_id for command_id in found if command_id.startswith(name)]
        # One more at most: written, but its number was not printed any more.
        assert mine == [f"{name}-{number:05}" for number in range(len(mine))]
        assert count <= len(mine) <= count + 1
    assert len(list(tmp_path.glob("*.sqlite"))) == 1


@pytest.mark.parametrize("cut", [1, 200, 3000])
def test_a_half_written_record_is_dropped_and_those_before_it_are_not(tmp_path: Path, cut: int) -> None:
    confirmed = killed(tmp_path, "a", 20)
    (journal,) = tmp_path.glob("*.sqlite-wal")
    whole = journal.stat().st_size
    os.truncate(journal, whole - cut)
    with opened(tmp_path) as successor:
        found = ids(successor)
    assert found == [f"a-{number:05}" for number in range(len(found))]
    assert len(found) >= confirmed - 2, "more than the records that were cut are gone"


def test_a_forked_child_neither_owns_it_nor_disturbs_it(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append([[entry("c-1")]])
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with opened(tmp_path) as own:
                    status = 0 if ids(own) == [] else 2
                del spool
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        spool.append([[entry("c-2")]])
        assert ids(spool) == ["c-1", "c-2"]


def test_a_full_disk_and_a_broken_one_are_different_errors(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool._database.execute("pragma max_page_count = 8")  # noqa: SLF001  stands for the disk's end
        with pytest.raises(SpoolFull, match="full"):
            spool.append([[entry(f"c-{number}", size=4000) for number in range(100)]])
        assert (ids(spool), spool.bytes) == ([], 0)
        spool._database.execute("pragma query_only = on")  # noqa: SLF001  stands for a disk mounted read-only
        with pytest.raises(SpoolBroken, match="did not take it"):
            spool.append([[entry("c-1")]])


def test_a_directory_that_cannot_be_used_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpoolBroken, match="cannot be used"):
        opened(tmp_path / "file" / "spool")


def test_a_file_that_is_no_database_stays_for_a_person_to_look_at(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "0.sqlite"
    path.write_text("not a database, but somebody's only copy of something")
    with opened(tmp_path) as spool:
        spool.append([[entry("c-1")]])
        assert ids(spool) == ["c-1"]
    assert path.exists()
    assert f"{path} cannot be taken over" in caplog.text


def test_brokers_and_users_have_directories_of_their_own(tmp_path: Path) -> None:
    def directory(url: str) -> set[str]:
        settings = Settings.model_validate({"broker_url": url, "spool_directory": str(tmp_path)})
        spool = open_spool(settings)
        assert spool is not None
        with spool:
            spool.append([[entry("c-1")]])
            assert ids(spool) == ["c-1"]
        return {path.name for path in tmp_path.iterdir()}

    directory("amqp://flights:secret@broker/%2F")
    directory("amqp://fleet:secret@broker/%2F")
    names = directory("amqp://flights:secret@broker:5673/other")
    assert len(names) == 3
    assert not any("secret" in name or "/" in name for name in names)


def test_switched_off_there_is_none() -> None:
    assert open_spool(Settings.model_validate({"broker_url": "amqp://u:p@h", "spool_directory": "off"})) is None


def test_sqlite_is_built_for_threads() -> None:
    assert sqlite3.threadsafety >= 1, "a connection is handed from one thread to another"
