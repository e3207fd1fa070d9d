"""Domains and lanes: how they are, how they should be, and what may not change under running writers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from writegate_writer.apply.change import Change, Membership, Sql
from writegate_writer.apply.domains import Domain

Domains = Mapping[str, tuple[tuple[str, ...], str]]
Lanes = Mapping[tuple[str, int], str]

_CREATE = """
with made as (
    insert into writegate.domain (name, tables, reason) values (%s, %s, %s)
    on conflict (name) do update set tables = excluded.tables, reason = excluded.reason
    returning name
)
insert into writegate.lane (service, lane, domain)
select one.service, one.lane, made.name from made, unnest(%s::text[], %s::int[]) as one (service, lane)
"""
_UPDATE = "update writegate.domain set tables = %s, reason = %s where name = %s"


def diff_domains(desired: Sequence[Domain], domains: Domains, lanes: Lanes) -> Iterator[Change]:
    """Yield the changes. A domain with a service whose lanes would change in number is refused."""
    refused = refusals(desired, domains, lanes)
    moving = _moving([domain for domain in desired if domain.name not in refused], lanes)
    if moving:
        text = "; ".join(f"{_describe(domain.lanes, lanes)} to {domain.name}: {domain.reason}" for domain in moving)
        yield Change("change", "domains", ", ".join(domain.name for domain in moving), text, Membership(moving))
    for domain in desired:
        parameters = (list(domain.tables), domain.reason)
        if domain.name in refused:
            yield Change("refused", "domain", domain.name, refused[domain.name])
        elif domain in moving:
            continue
        elif not all(lane in lanes for lane in domain.lanes):
            columns = ([service for service, _ in domain.lanes], [lane for _, lane in domain.lanes])
            text = f"{len(domain.lanes)} lane(s): {domain.reason}"
            yield Change("create", "domain", domain.name, text, Sql(_CREATE, (domain.name, *parameters, *columns)))
        elif domains[domain.name] != (domain.tables, domain.reason):
            text = f"tables {', '.join(domain.tables)}: {domain.reason}"
            yield Change("change", "domain", domain.name, text, Sql(_UPDATE, (*parameters, domain.name)))


def refusals(desired: Sequence[Domain], domains: Domains, lanes: Lanes) -> dict[str, str]:
    """Return for each domain that cannot be as declared now, by name, why not.

    A key's lane hangs on their number: while commands wait in the old lanes, another number would reorder a key.
    """
    wanted = {lane for domain in desired for lane in domain.lanes}
    installed = {service for service, _ in wanted}
    numbers: dict[str, str] = {}
    for service in sorted(installed):
        before, after = (sum(lane[0] == service for lane in some) for some in (lanes, wanted))
        if before and before != after:
            numbers[service] = f"{service} has {before} lane(s), declared {after}: {_DRAIN}"
    found = {}
    for domain in desired:
        texts = [numbers[service] for service in domain.services if service in numbers]
        texts += _overlaps(domain, domains, {lane: name for lane, name in lanes.items() if lane[0] not in installed})
        if texts:
            found[domain.name] = "; ".join(texts)
    return found | _left_behind(desired, lanes, found)


_DRAIN = "drain its lanes first, changing their number while commands wait is not supported"


def _moving(desired: Sequence[Domain], lanes: Lanes) -> tuple[Domain, ...]:
    """Return the domains that exist in part, or with lanes of others."""
    there: dict[str, set[tuple[str, int]]] = {}
    for lane, name in lanes.items():
        there.setdefault(name, set()).add(lane)
    return tuple(
        domain
        for domain in desired
        if there.get(domain.name, set()) != set(domain.lanes) and any(lane in lanes for lane in domain.lanes)
    )


def _left_behind(desired: Sequence[Domain], lanes: Lanes, refused: Mapping[str, str]) -> dict[str, str]:
    """Return the domains that cannot get the lanes of another, because some of those would stay: they are refused, or
    of services that are not installed here."""
    possible = [domain for domain in desired if domain.name not in refused]
    free = {lane for domain in possible for lane in domain.lanes}
    found: dict[str, str] = {}
    for domain in _moving(possible, lanes):
        old = {lanes[lane] for lane in domain.lanes if lane in lanes}
        if staying := sorted({lane[0] for lane, name in lanes.items() if name in old and lane not in free}):
            left = f"{', '.join(staying)} would be left in {', '.join(sorted(old))}"
            found[domain.name] = f"{left}: install all services of a domain, they change together"
    # One that is refused now may leave others behind in its turn.
    return found | (_left_behind(desired, lanes, {**refused, **found}) if found else {})


def _overlaps(domain: Domain, domains: Domains, strange: Lanes) -> Iterator[str]:
    """Yield the services that are not installed here but share a table with ``domain``: they have writers elsewhere.

    ``strange``: the lanes of all that are not installed.
    """
    for other, (tables, _) in domains.items():
        strangers = {service for (service, _), name in strange.items() if name == other}
        if strangers and (shared := set(tables) & set(domain.tables)) and other != domain.name:
            yield (
                f"{', '.join(sorted(strangers))} writes {', '.join(sorted(shared))} too and is not installed here: "
                "install all services that share a table before you apply"
            )


def _describe(members: Sequence[tuple[str, int]], lanes: Lanes) -> str:
    before = sorted({lanes[lane] for lane in members if lane in lanes})
    return f"the lanes of {', '.join(before)}"
