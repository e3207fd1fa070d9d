"""Domains and lanes: how they are, how they should be, and what may not change under running writers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from writegate_writer.apply.change import Change, Sql
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
    """Yield the changes. A domain with a service whose lanes would move or change in number is refused."""
    refused = refusals(desired, domains, lanes)
    for domain in desired:
        parameters = (list(domain.tables), domain.reason)
        if domain.name in refused:
            yield Change("refused", "domain", domain.name, refused[domain.name])
        elif not all(lane in lanes for lane in domain.lanes):
            columns = ([service for service, _ in domain.lanes], [lane for _, lane in domain.lanes])
            text = f"{len(domain.lanes)} lane(s): {domain.reason}"
            yield Change("create", "domain", domain.name, text, Sql(_CREATE, (domain.name, *parameters, *columns)))
        elif domains[domain.name] != (domain.tables, domain.reason):
            text = f"tables {', '.join(domain.tables)}: {domain.reason}"
            yield Change("change", "domain", domain.name, text, Sql(_UPDATE, (*parameters, domain.name)))


def refusals(desired: Sequence[Domain], domains: Domains, lanes: Lanes) -> dict[str, str]:
    """Return for each domain that cannot be as declared now, by name, why not.

    A key's lane and a domain's owner hang on these rows: while commands wait in the old lanes, a change would let two
    writers at the same rows, or reorder a key.
    """
    wanted = {lane: domain.name for domain in desired for lane in domain.lanes}
    moved: dict[str, str] = {}
    for service in sorted({service for service, _ in wanted}):
        before = {lane: domain for lane, domain in lanes.items() if lane[0] == service}
        after = {lane: domain for lane, domain in wanted.items() if lane[0] == service}
        if before and before != after:
            moved[service] = f"{service} has {_describe(before)}, declared {_describe(after)}: {_DRAIN}"
    found = {}
    for domain in desired:
        texts = [moved[service] for service in domain.services if service in moved]
        texts += _overlaps(domain, domains, lanes)
        if texts:
            found[domain.name] = "; ".join(texts)
    return found


_DRAIN = "drain its lanes first, changing them while commands wait is not supported"


def _overlaps(domain: Domain, domains: Domains, lanes: Lanes) -> Iterator[str]:
    """Yield the services that are not installed here but share a table with ``domain``: they have writers elsewhere."""
    for other, (tables, _) in domains.items():
        strangers = {service for (service, _), name in lanes.items() if name == other} - set(domain.services)
        if strangers and (shared := set(tables) & set(domain.tables)) and other != domain.name:
            yield (
                f"{', '.join(sorted(strangers))} writes {', '.join(sorted(shared))} too and is not installed here: "
                "install all services that share a table before you apply"
            )


def _describe(lanes: Lanes) -> str:
    return f"{len(lanes)} lane(s) in {', '.join(sorted(set(lanes.values())))}"
