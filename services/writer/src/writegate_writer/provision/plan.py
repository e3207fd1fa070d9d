"""From declarations to changes, and from changes to done."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from writegate.config import Settings
from writegate.errors import SettingsError
from writegate.message.topology import exchange_name
from writegate.urls import vhost_of
from writegate_writer.handlers.domains import DeclaredDomain
from writegate_writer.handlers.loading import load_services, migrations_of
from writegate_writer.handlers.writes import Writes
from writegate_writer.provision import broker, database, lane_queues
from writegate_writer.provision.bindings import Bindings, bound_tables, check_bindings
from writegate_writer.provision.broker_diff import BrokerState, desired_broker, diff_broker
from writegate_writer.provision.change import ApplyError, BrokerRequest, Change, Migration, Removal, password_variable
from writegate_writer.provision.database_diff import DatabaseDesired, desired_database, diff_database, missing_here
from writegate_writer.provision.hints import hints_of
from writegate_writer.provision.lanes_diff import numbers_of, refusals, switched
from writegate_writer.provision.ledger_size import LedgerShare
from writegate_writer.provision.orphans import Orphan, orphans
from writegate_writer.provision.service_removal import ServiceRemoval
from writegate_writer.provision.switch import Switch, Switching, lanes_of

NEED = ("broker_api_url", "database_url")
# Migrations first, then all that depends on what they made, then what depends on that; the last must find nothing.
_MOST_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """What differs, the domains the services form, what the ledger takes, and what services could declare.

    ``orphans``: services that are not installed here. They may be others' own, so they are no difference.
    """

    changes: tuple[Change, ...]
    domains: tuple[DeclaredDomain, ...]
    ledger: tuple[LedgerShare, ...] = ()
    hints: tuple[str, ...] = ()
    orphans: tuple[Orphan, ...] = ()

    @property
    def possible(self) -> tuple[Change, ...]:
        """The changes that can be made."""
        return tuple(change for change in self.changes if change.step is not None)

    @property
    def next(self) -> tuple[Change, ...]:
        """The changes to make before differing again: all, or those up to the last migration.

        A migration renames, moves and drops what the later ones refer to; they are found anew after it.
        """
        last = max((n for n, change in enumerate(self.possible) if isinstance(change.step, Migration)), default=None)
        return self.possible if last is None else self.possible[: last + 1]

    @property
    def refused(self) -> tuple[Change, ...]:
        """Those that a person has to make possible first."""
        return tuple(change for change in self.changes if change.step is None)


class Applier:
    """Compares and applies, over one connection to each server. Open one with :func:`opened`."""

    def __init__(
        self,
        at_broker: broker.Broker,
        at_database: database.Database,
        settings: Settings,
        desired: DatabaseDesired,
        passwords: Mapping[str, str],
    ) -> None:
        self._broker = at_broker
        self._database = at_database
        self._settings = settings
        self._vhost = vhost_of(settings.broker_url)
        self._desired = desired
        self._passwords = passwords

    @property
    def services(self) -> list[str]:
        """The names of the services that are installed here."""
        return [writes.service.name for writes in self._desired.services]

    def plan(self) -> Plan:
        """Return what differs now."""
        actual = self._database.read(tuple(self._desired.roles), self._passwords)
        hints = hints_of(self._desired.services, self._desired.domains)
        if ahead := missing_here(self._desired, actual):
            return Plan(tuple(ahead), self._desired.domains, self._database.ledger(), hints)
        refused = refusals(self._desired.domains, actual.domains, actual.lanes)
        held = {service for domain in self._desired.domains if domain.name in refused for service in domain.services}
        # As long as a service's lanes may not change it keeps those it has: a queue that no writer serves is a trap.
        lanes = numbers_of(actual.lanes)
        services = [writes.service for writes in self._desired.services if writes.service.name not in held - set(lanes)]
        wanted = desired_broker(self._vhost, services, lanes)
        at_broker = self._broker.read(self._passwords)
        in_database = diff_database(self._desired, actual)
        bindings = self._bindings(in_database)
        changes = [*in_database, *bindings.refused, *diff_broker(wanted, at_broker)]
        left = orphans(self.services, actual, at_broker)
        return Plan(tuple(changes), self._desired.domains, self._database.ledger(), (*hints, *bindings.hints), left)

    def _bindings(self, changes: Iterable[Change]) -> Bindings:
        """Return what of ready-made handlers does not fit their tables; nothing while a migration may change them."""
        if any(isinstance(change.step, Migration) for change in changes):
            return Bindings((), ())
        columns = self._database.columns(bound_tables(self._desired.services))
        return check_bindings(self._desired.services, columns, self._database.refusal)

    def apply(self, first: Plan, done: Callable[[Change], None]) -> Plan:
        """Make the possible changes, calling ``done`` after each, and return what is left: the refused ones.

        Raises :class:`SettingsError` before the first change if a password is missing.
        """
        plan = first
        for _ in range(_MOST_ROUNDS):
            if not plan.possible:
                return plan
            self._check_passwords(plan.possible)
            for change in plan.next:
                self._run(change)
                done(change)
            plan = self.plan()
        if plan.possible:
            left = "; ".join(f"{change.kind} {change.name}: {change.detail}" for change in plan.possible)
            raise ApplyError(f"applied, and still not as declared: {left}. Does something else change it back?")
        return plan

    def switch(self, names: Sequence[str], limit_seconds: float, report: Callable[[str], None]) -> list[Change]:
        """Give these services the lanes that they declare, and queues with the arguments that they declare.

        Return what was changed. See :mod:`.switch`.
        """
        actual = self._database.read((), {})
        if ahead := missing_here(self._desired, actual):
            raise ApplyError("; ".join(f"migration {change.name}: {change.detail}" for change in ahead))
        step, refused = switched(names, self._desired.domains, actual.domains, actual.lanes)
        if refused:
            raise ApplyError("; ".join(refused.values()))
        services = [writes.service for writes in self._desired.services if writes.service.name in names]
        wanted = desired_broker(self._vhost, services)
        at_broker = self._broker.read({})
        queues = lanes_of(names, [*at_broker.queues])
        replaced = lanes_of(
            names, [change.name for change in diff_broker(wanted, at_broker) if change.action == "refused"]
        )
        if not step.numbers and not replaced:
            return []
        work = Switching(
            tuple(names), step, queues, replaced, lambda: diff_broker(wanted, self._broker.read(self._passwords))
        )
        with lane_queues.connect(self._settings) as lane_counts:
            Switch(work, self._broker, lane_counts, self._database.takeover(names), report).run(limit_seconds)
        before = numbers_of(actual.lanes)
        made = [Change("change", "lanes", name, f"{before[name]} to {number}") for name, number in step.numbers.items()]
        return made + [Change("change", "queue", name, "made anew, as declared") for name in replaced]

    def remove(self, service: str, limit_seconds: float, report: Callable[[str], None]) -> None:
        """Take a service that is not installed here away from broker and database. See :mod:`.service_removal`."""
        if service in self.services:
            raise ApplyError(
                f"{service} is installed here, and `apply` would make it again: delete its folder and run `make setup` "
                "(or uninstall it), and leave the writers that have it running until it is removed"
            )
        plan = self.plan()
        if service not in {orphan.service for orphan in plan.orphans}:
            there = ", ".join(orphan.service for orphan in plan.orphans) or "none"
            raise ApplyError(f"there is nothing of a service {service!r}; not installed here, and there: {there}")
        with lane_queues.connect(self._settings) as counts:
            ServiceRemoval(service, self._broker, counts, self._database).run(limit_seconds, report)

    def outdated(self, names: Sequence[str]) -> list[str]:
        """Return the publishers that report another number of lanes of these services than is declared."""
        declared = numbers_of(lane for domain in self._desired.domains for lane in domain.lanes)
        return [
            f"{publisher.name} ({name} with {publisher.lanes[name]} lane(s))"
            for name in names
            for publisher in self._broker.publishers(exchange_name(name))
            if publisher.lanes.get(name, declared[name]) != declared[name]
        ]

    def _check_passwords(self, changes: Iterable[Change]) -> None:
        missing = sorted({change.password_of for change in changes if change.password_of} - set(self._passwords))
        if missing:
            raise SettingsError(
                f"{', '.join(map(password_variable, missing))} not set: "
                f"expected the password{'s' if len(missing) > 1 else ''} of {', '.join(missing)}, to be created"
            )

    def _run(self, change: Change) -> None:
        if isinstance(change.step, BrokerRequest):
            self._broker.run(change.step, self._passwords)
        elif isinstance(change.step, Removal):
            with lane_queues.connect(self._settings) as queues:
                messages, consumers = queues.counts(change.step.queue)
            if messages or consumers:
                raise ApplyError(
                    f"queue {change.name}: {messages} message(s) and {consumers} consumer(s), though its service has "
                    "fewer lanes: switch back to the number it had, let it run empty, and switch again"
                )
            self._broker.delete_queue(change.step.queue)
        elif change.step is not None:
            self._database.run(change.step, self._passwords)


def migrations(services: Iterable[Writes]) -> list[Migration]:
    """Return every migration in the order in which they run: Writegate's own, then each service's."""
    own = sorted(Path(str(files("writegate_writer.provision") / "schema")).glob("*.sql"))
    found = [_migration("writegate", path) for path in own]
    return found + [_migration(writes.service.name, path) for writes in services for path in migrations_of(writes)]


def passwords_of(names: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the passwords that the environment gives for users and roles, by name."""
    given = {name: environ.get(password_variable(name)) for name in names}
    return {name: password for name, password in given.items() if password}


def _migration(service: str, path: Path) -> Migration:
    content = path.read_bytes()
    return Migration(service, path.name, hashlib.sha256(content).hexdigest(), content.decode())


@dataclass(frozen=True, slots=True)
class Declared:
    """What the services need, and the passwords that are given."""

    broker: BrokerState
    database: DatabaseDesired
    passwords: Mapping[str, str]


def declared_by(
    settings: Settings, services: Mapping[str, Writes] | None = None, environ: Mapping[str, str] | None = None
) -> Declared:
    """Read the declarations. ``services``: default all installed ones. ``environ``: where passwords come from."""
    loaded = list((load_services() if services is None else services).values())
    at_broker = desired_broker(vhost_of(settings.broker_url), [writes.service for writes in loaded])
    at_database = desired_database(loaded, migrations(loaded), settings.connections)
    names = {*at_database.roles, *at_broker.users}
    return Declared(at_broker, at_database, passwords_of(names, os.environ if environ is None else environ))


@contextmanager
def opened(
    settings: Settings, services: Mapping[str, Writes] | None = None, environ: Mapping[str, str] | None = None
) -> Iterator[Applier]:
    """Connect to both servers. ``services``: default all installed ones. ``environ``: where passwords come from."""
    declared = declared_by(settings, services, environ)
    with database.connect(settings) as at_database, broker.connect(settings) as at_broker:
        yield Applier(at_broker, at_database, settings, declared.database, declared.passwords)
