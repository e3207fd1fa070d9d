"""Who runs when: actors as greenlets in virtual time, one at a time, chosen by a seeded random generator.

An actor runs until it comes to a point where in the real world somebody else could run: a message to a server, an
answer from one, a wait. So every interleaving of such steps can happen, and the same seed gives the same one again.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from contextlib import suppress
from random import Random

from greenlet import getcurrent, greenlet

from tests.simulation.history import History, Violation

_LONGEST_STEP_SECONDS = 0.002


class Killed(BaseException):
    """The process of an actor has been killed. No handler of errors may stop it."""


class Group:
    """A process: what is killed and frozen together."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.frozen_until = 0.0
        self.actors: list[Actor] = []


class Actor:
    """One thread of control."""

    __slots__ = ("asleep", "greenlet", "group", "name", "nap")

    def __init__(self, name: str, group: Group) -> None:
        self.name = name
        self.group = group
        self.greenlet: greenlet | None = None
        self.asleep = False
        self.nap = 0  # counts sleeps: an alarm of an earlier one is void

    @property
    def ended(self) -> bool:
        """Whether it has come to its end."""
        return self.greenlet is not None and self.greenlet.dead


class Schedule:
    """Runs actors."""

    def __init__(self, random: Random, history: History) -> None:
        self.now = 0.0  # seconds
        self._random = random
        self._history = history
        self._main = getcurrent()
        self._actors: list[Actor] = []
        self._ready: list[Actor] = []
        self._alarms: list[tuple[float, int, Actor, int]] = []
        self._count = itertools.count()
        self._killed: list[Group] = []
        self._switching = random.choice((0.2, 0.6, 1.0))  # how often a step lets somebody else run
        self.current: Actor | None = None

    def spawn(self, name: str, group: Group, work: Callable[[], None]) -> Actor:
        """Start an actor."""
        actor = Actor(name, group)
        group.actors.append(actor)

        def run() -> None:
            with suppress(Killed):
                work()

        actor.greenlet = greenlet(run, parent=self._main)
        self._actors.append(actor)
        self._ready.append(actor)
        return actor

    # Called by the actor that runs.

    def point(self) -> None:
        """Let others run, perhaps."""
        actor = self._actor()
        if self._random.random() < self._switching:
            self._ready.append(actor)
            self._main.switch()
            self._actor()

    def pause(self, seconds: float) -> None:
        """Sleep, until woken at most."""
        actor = self._actor()
        actor.asleep = True
        actor.nap += 1
        if seconds < math.inf:
            heapq.heappush(self._alarms, (self.now + seconds, next(self._count), actor, actor.nap))
        self._main.switch()
        self._actor()

    def until(self, condition: Callable[[], bool], seconds: float, poll_seconds: float = 0.05) -> bool:
        """Wait for a condition."""
        deadline = self.now + seconds
        while not condition():
            if self.now >= deadline:
                return False
            self.pause(poll_seconds)
        return True

    def _actor(self) -> Actor:
        actor = self.current
        assert actor is not None
        if not actor.group.alive:
            raise Killed
        return actor

    # Called by anybody.

    def wake(self, actor: Actor) -> None:
        """End an actor's sleep."""
        if actor.asleep:
            actor.asleep = False
            self._ready.append(actor)

    def kill(self, group: Group) -> None:
        """End a process where it stands."""
        group.alive = False
        self._killed.append(group)

    def freeze(self, group: Group, seconds: float) -> None:
        """Stop a process for a while."""
        group.frozen_until = self.now + seconds

    def run(self, until: Callable[[], bool]) -> None:
        """Run until a condition holds."""
        while not until():
            self._step()

    def end(self) -> None:
        """End every actor."""
        for actor in self._actors:
            actor.group.alive = False
            self._unwind(actor)

    def _step(self) -> None:
        self._bury()
        self._ring()
        if not self._ready:
            if not self._alarms:
                raise Violation("nobody can run any more")
            self.now = self._alarms[0][0]
            return
        index = int(self._random.random() * len(self._ready))
        actor = self._ready[index]
        self._ready[index] = self._ready[-1]
        self._ready.pop()
        if not actor.group.alive:
            return
        if actor.group.frozen_until > self.now:
            actor.asleep = True
            actor.nap += 1
            heapq.heappush(self._alarms, (actor.group.frozen_until, next(self._count), actor, actor.nap))
            return
        self.now += self._random.random() * _LONGEST_STEP_SECONDS
        self._switch(actor)

    def _switch(self, actor: Actor) -> None:
        assert actor.greenlet is not None
        self.current = actor
        actor.greenlet.switch()
        self.current = None

    def _ring(self) -> None:
        while self._alarms and self._alarms[0][0] <= self.now:
            _, _, actor, nap = heapq.heappop(self._alarms)
            if actor.asleep and actor.nap == nap:
                self.wake(actor)

    def _bury(self) -> None:
        while self._killed:
            for actor in self._killed.pop().actors:
                self._unwind(actor)

    def _unwind(self, actor: Actor) -> None:
        if actor.greenlet:  # has begun and not ended
            self.current = actor
            actor.greenlet.throw(Killed)
            self.current = None
