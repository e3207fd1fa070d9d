"""Fills a ledger: with the decisions of a week, as many under UUIDv7 ids as under the UUIDv4 ids of stock producers."""

from __future__ import annotations

from tests.integration.gate import Gate
from tests.servers import OWNER

DAYS = 7
_SLICE_ROWS = 100_000  # of one insert; a partition's index grows as it does in service

_MAKE_DAY = """
do $$ begin
    if to_regclass('writegate.ledger_' || to_char(current_date - {ago}, 'YYYYMMDD')) is null then
        execute format('create table writegate.ledger_%s partition of writegate.ledger for values from (%L) to (%L)',
                       to_char(current_date - {ago}, 'YYYYMMDD'), current_date - {ago}, current_date - {ago} + 1);
    end if;
end $$
"""
# A UUIDv7 begins with its milliseconds; these grow through the day.
_FILL = """
insert into writegate.ledger (day, service, id, outcome, hash, batch)
select current_date - %(ago)s, %(service)s,
       case when %(random)s then gen_random_uuid()
       else (lpad(to_hex((extract(epoch from current_date - %(ago)s) * 1000 + n * 864e5 / %(of)s)::bigint), 12, '0')
             || '7' || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid end,
       'a', n::bigint * 7919, n / 500
from generate_series(%(first)s + 1, %(last)s) n
"""


def make_days(gate: Gate) -> None:
    """Make the partitions of the retention."""
    for ago in range(DAYS + 1):
        gate.database.sql(f"SET ROLE {OWNER}; {_MAKE_DAY.format(ago=ago)}; RESET ROLE")


def fill(gate: Gate, rows: int, *, ordered: str, random: str) -> None:
    """Add rows, as many each day: of the service ``ordered`` under UUIDv7 ids, of ``random`` under UUIDv4 ids."""
    share = rows // (DAYS + 1) // 2
    for ago in range(DAYS, -1, -1):
        for first in range(0, share, _SLICE_ROWS):
            more = {"ago": ago, "of": share, "first": first, "last": min(first + _SLICE_ROWS, share)}
            gate.database.sql(_FILL, {**more, "service": ordered, "random": False})
            gate.database.sql(_FILL, {**more, "service": random, "random": True})
    gate.database.sql("VACUUM (ANALYZE) writegate.ledger")
    gate.database.sql("CHECKPOINT")
