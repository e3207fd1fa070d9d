"""Domains and lanes: how they are, how they should be, and what may not change under running writers. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from writegate_writer.handlers.domains import DeclaredDomain
from writegate_writer.provision.change import Change, Membership, Sql

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


def diff_domains(desired: Sequence[DeclaredDomain], domains: Domains, lanes: Lanes) -> Iterator[Change]:
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


def numbers_of(lanes: Iterable[tuple[str, int]]) -> Counter[str]:
    """Return how many lanes each service has."""
    return Counter(service for service, _ in lanes)


def switched(
    services: Collection[str], desired: Sequence[DeclaredDomain], domains: Domains, lanes: Lanes
) -> tuple[Membership, dict[str, str]]:
    """Return the step that gives services the lanes that they declare, and what forbids it, by domain."""
    wanted = numbers_of(lane for domain in desired for lane in domain.lanes)
    remaining = {lane: name for lane, name in lanes.items() if lane[0] not in services or lane[1] < wanted[lane[0]]}
    refused = refusals(desired, domains, remaining, switching=services)
    moving = _moving(desired, remaining)
    concerned = tuple(domain for domain in desired if domain in moving or not set(services).isdisjoint(domain.services))
    names = {domain.name for domain in concerned}
    before = numbers_of(lanes)
    numbers = {service: wanted[service] for service in services if wanted[service] != before[service]}
    return Membership(concerned, numbers), {name: why for name, why in refused.items() if name in names}


def refusals(
    desired: Sequence[DeclaredDomain], domains: Domains, lanes: Lanes, *, switching: Collection[str] = ()
) -> dict[str, str]:
    """Return for each domain that cannot be as declared now, by name, why not.

    A key's lane hangs on their number: while commands wait in the old lanes, another number would reorder a key.
    ``switching``: services whose lanes are being switched, see :mod:`.switch`.
    """
    wanted = {lane for domain in desired for lane in domain.lanes}
    installed = {service for service, _ in wanted}
    there, declared = numbers_of(lanes), numbers_of(wanted)
    numbers = {
        service: _WAY.format(service=service, before=there[service], after=declared[service])
        for service in sorted(installed - set(switching))
        if there[service] and there[service] != declared[service]
    }
    found = {}
    for domain in desired:
        texts = [numbers[service] for service in domain.services if service in numbers]
        texts += _overlaps(domain, domains, {lane: name for lane, name in lanes.items() if lane[0] not in installed})
        if texts:
            found[domain.name] = "; ".join(texts)
    return found | _left_behind(desired, lanes, found)


# Restarted before, publishers send to lanes from which the writers forward in order; restarted later, they would go
# past what still waits to be forwarded.
_WAY = (
    "{service} has {before} lane(s), declared {after}. The way: 1. `writegate apply` (routes the lanes of both "
    "numbers); 2. restart the publishers of {service} with this declaration; 3. `writegate apply --switch {service}` "
    "(shuts them out while the lanes run empty: their calls go to the spool); 4. restart the writers with it"
)


def _moving(desired: Sequence[DeclaredDomain], lanes: Lanes) -> tuple[DeclaredDomain, ...]:
    """Return the domains that exist in part, or with lanes of others."""
    there: dict[str, set[tuple[str, int]]] = {}
    for lane, name in lanes.items():
        there.setdefault(name, set()).add(lane)
    return tuple(
        domain
        for domain in desired
        if there.get(domain.name, set()) != set(domain.lanes) and any(lane in lanes for lane in domain.lanes)
    )


def _left_behind(desired: Sequence[DeclaredDomain], lanes: Lanes, refused: Mapping[str, str]) -> dict[str, str]:
    """Return the domains that cannot get all lanes of another one, with the reason.

    Some of those lanes would stay behind: their domain is refused, or their service is not installed here.
    """
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


def _overlaps(domain: DeclaredDomain, domains: Domains, strange: Lanes) -> Iterator[str]:
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
