"""The writer's errors. Each says whose fault it seems to be; here stands what each SQLSTATE says. Pure.

::

    WritegateError
    ├── DatabaseFault   from PostgreSQL or from the connection; its fault follows from the SQLSTATE
    ├── HandlerFault    a handler broke the rules or failed by itself
    ├── Outdated        deferred commands were changed by people since they were read
    ├── Reject          a handler names the commands that are wrong: they are parked, for people
    └── Decline         a handler says no to commands that are right: a final answer
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from writegate.errors import WritegateError
from writegate.message.validation import UNSTORABLE

_REASON_CHARACTERS = 1000

FENCED_SQLSTATE = "WG001"  # raised by writegate.fence()

# SQLSTATEs that other modules compare, by their names in the PostgreSQL manual, appendix A.
FOREIGN_KEY_VIOLATION = "23503"  # the parent row may be one that another service's command is still to bring
UNIQUE_VIOLATION = "23505"
SERIALIZATION_FAILURE = "40001"  # also raised here, when a row was changed by others since it was read
IN_FAILED_TRANSACTION = "25P02"  # an earlier statement has failed
IDLE_IN_TRANSACTION = "25P03"  # this process was silent for too long inside its transaction: not the database's fault
QUERY_CANCELED = "57014"  # a statement took too long, or an operator ended it


class Fault(Enum):
    """Whose fault an error is, as far as its SQLSTATE says: where to begin.

    Whatever a handler did is tried in smaller parts, and what fails and what does not decides
    (:mod:`writegate_writer.decide.trial`).
    """

    COMMAND = "command"  # one command is wrong: find it, park it, apply the others
    UNKNOWN = "unknown"  # of a rule that only its author knows, such as a trigger's own exception
    CONFLICT = "conflict"  # a lock conflict with another database user: try the same batch again
    OUTAGE = "outage"  # the database cannot work at present: return the messages, wait, start again
    # A missing grant, table or module, or a bug in a handler: hold the command type. When no type is known, the domain
    # is suspended.
    DEPLOYMENT = "deployment"
    FENCED = "fenced"  # another writer owns the domain now

    @property
    def is_outside(self) -> bool:
        """Whether it usually passes by itself, since others or the server cause it."""
        return self in {Fault.CONFLICT, Fault.OUTAGE}


# By SQLSTATE, the longest prefix wins (PostgreSQL manual, appendix A).
_TABLE = {
    "22": Fault.COMMAND,  # data exception
    "23": Fault.COMMAND,  # integrity constraint violation
    "40": Fault.CONFLICT,  # serialization failure, deadlock
    "55P03": Fault.CONFLICT,  # lock not available
    "55": Fault.OUTAGE,  # object not in prerequisite state
    "08": Fault.OUTAGE,  # connection exception
    "25": Fault.OUTAGE,  # invalid transaction state: 25006 a read-only server, 25P03 idle too long
    "53": Fault.OUTAGE,  # insufficient resources
    "57": Fault.OUTAGE,  # operator intervention, shutdown, query cancelled
    "58": Fault.OUTAGE,  # system error
    "42": Fault.DEPLOYMENT,  # syntax error or access rule violation: a missed migration or grant
    "0A": Fault.DEPLOYMENT,  # feature not supported
    "28": Fault.DEPLOYMENT,  # invalid authorization
    "3D": Fault.DEPLOYMENT,  # invalid catalog name
    "3F": Fault.DEPLOYMENT,  # invalid schema name
    "F0": Fault.DEPLOYMENT,  # configuration file error
    "HV": Fault.DEPLOYMENT,  # foreign data wrapper error
    "XX": Fault.DEPLOYMENT,  # internal error
    FENCED_SQLSTATE: Fault.FENCED,
}


def fault_of(sqlstate: str | None) -> Fault:
    """Return whose fault an error with this SQLSTATE seems to be; without one the connection was lost."""
    if sqlstate is None:
        return Fault.OUTAGE
    for length in (5, 2):
        if sqlstate[:length] in _TABLE:
            return _TABLE[sqlstate[:length]]
    return Fault.UNKNOWN


class DatabaseFault(WritegateError):
    """An error of PostgreSQL or of the connection to it.

    ``sqlstate`` is None when the connection was lost; ``fault`` is the SQLSTATE's unless more is known; ``task`` names
    the command type whose handler ran; ``statement`` is what failed, without its values; ``command``: the id of one
    that failed alone by it. ``from_handlers``: what handlers did failed, on a connection that still works, so that
    smaller parts can be tried. It is never changed: what is learned about it later makes another one (:meth:`with_`).
    """

    def __init__(  # noqa: PLR0913  what is known about an error
        self,
        sqlstate: str | None,
        message: str,
        *,
        fault: Fault | None = None,
        task: str | None = None,
        statement: str | None = None,
        command: str | None = None,
        from_handlers: bool = False,
    ) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.from_handlers = from_handlers
        self.fault: Fault = fault_of(sqlstate) if fault is None else fault
        self.task = task
        self.statement = statement
        self.command = command

    def with_(
        self,
        *,
        fault: Fault | None = None,
        task: str | None = None,
        command: str | None = None,
        from_handlers: bool | None = None,
    ) -> DatabaseFault:
        """Return the same error with what was learned about it. To be raised ``from`` this one."""
        return DatabaseFault(
            self.sqlstate,
            str(self),
            fault=self.fault if fault is None else fault,
            task=self.task if task is None else task,
            statement=self.statement,
            command=self.command if command is None else command,
            from_handlers=self.from_handlers if from_handlers is None else from_handlers,
        )

    @property
    def over_budget(self) -> bool:
        """Whether a connection was refused because the budget is used up: normal for a standby writer."""
        # psycopg2 gives no SQLSTATE for a refused connection, only its message.
        return "too many connections" in str(self)


class HandlerFault(WritegateError):
    """A handler broke the rules, or failed by itself.

    ``certain``: whatever its commands are, its type is at fault, and nothing smaller is tried.
    """

    def __init__(self, task: str, text: str, *, certain: bool = False) -> None:
        super().__init__(f"{task}: {_storable(text)}")
        self.fault = Fault.DEPLOYMENT
        self.task: str | None = task
        self.from_handlers = not certain


class Outdated(WritegateError):
    """The deferred commands of a domain were changed by people since its owner read them: they must be read again."""

    def __init__(self) -> None:
        super().__init__("deferred commands were changed meanwhile")


class Reject(WritegateError):
    """Raised by a handler that knows which commands are wrong: ``Reject({command.command_id: reason})``.

    The writer rolls back, parks these commands with their reasons and applies the rest, without bisection.
    """

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__(_joined(reasons))
        self.reasons = {command_id: _storable(reason) for command_id, reason in reasons.items()}


class Decline(WritegateError):
    """Raised by a handler to say no: a rule of the business is against the command, such as "no stock".

    ``Decline(reason)`` in a handler of one command at a time, ``Decline({command.command_id: reason})`` in one of many.
    Nothing that was done for these commands is kept. It is a final answer, with its reason in the receipt: nothing is
    parked, and no command type is held, however many are declined. Of a longer reason the first 1,000 characters are
    kept.
    """

    def __init__(self, reasons: str | Mapping[str, str]) -> None:
        super().__init__(reasons if isinstance(reasons, str) else _joined(reasons))
        self._reasons = reasons

    def of(self, command_ids: Sequence[str]) -> dict[str, str]:
        """Return the reasons by command id, for a handler that was given these commands.

        Raises :class:`ValueError` for a reason that could be of any of them.
        """
        if isinstance(self._reasons, Mapping):
            reasons = self._reasons
        elif len(command_ids) == 1:
            reasons = {command_ids[0]: self._reasons}
        else:
            raise ValueError(f"which of {len(command_ids)} commands? Raise Decline({{command.command_id: reason}})")
        return {command_id: _storable(reason)[:_REASON_CHARACTERS] for command_id, reason in reasons.items()}


def _joined(reasons: Mapping[str, str]) -> str:
    return "; ".join(f"{command_id}: {reason}" for command_id, reason in reasons.items())


def _storable(text: object) -> str:
    """Return a handler's text as PostgreSQL and JSON can hold it."""
    return UNSTORABLE.sub("\ufffd", str(text))
