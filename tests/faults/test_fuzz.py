"""Messages of all shapes into a live writer, in small form; and the checks see what would be missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.faults.fuzz import Traces, check_one_decision, fates, run
from tests.faults.fuzz_messages import GOOD, Forge, Probe
from tests.servers import Servers
from writegate.contract.ids import ledger_id


@pytest.mark.slow
def test_a_live_writer_takes_anything(servers: Servers) -> None:
    counted = run(servers, messages=2000, seed=1)
    assert counted.total() == 2000
    assert counted["applied"] >= 200  # the good ones at least
    assert len([fate for fate in counted if fate.startswith("parked")]) >= 12


def good_probe() -> Probe:
    probe = Forge(1).next()
    assert probe.kind == GOOD
    return probe


def test_a_message_without_a_trace_is_found() -> None:
    with pytest.raises(AssertionError, match="1 messages left no trace"):
        fates([good_probe()], Traces())


def test_a_message_with_two_fates_is_found() -> None:
    probe = good_probe()
    [id_] = [id_ for id_ in probe.ids if not id_.startswith("content-")]
    both = Traces(applied={ledger_id(id_)}, parked={id_: "bad-fields"})
    with pytest.raises(AssertionError, match="parked as well"):
        check_one_decision([probe], both)
    check_one_decision([probe, replace(probe, serial=1)], both)  # sent twice, perhaps with other content


def test_one_seed_makes_the_same_kinds() -> None:
    first, other = Forge(5), Forge(5)
    assert [first.next().kind for _ in range(100)] == [other.next().kind for _ in range(100)]
