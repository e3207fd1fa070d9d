"""Looks for policies of the broker that can lose commands, as long as the process runs.

They are set at any time, by people who look after the broker and know nothing of this gate. The broker says nothing.
"""

from __future__ import annotations

import threading
import time

import structlog
from prometheus_client import Gauge

from writegate.config import Settings
from writegate.message.policies import Harm
from writegate_writer.provision import broker
from writegate_writer.provision.change import ApplyError

log = structlog.get_logger(__name__)

LOOK_SECONDS = 30.0
_AGAIN_SECONDS = 600.0  # after which what is still so is logged again

POLICY = Gauge(
    "writegate_broker_policy",
    "1: a policy of the broker can lose commands of this queue. The writer's log says how.",
    ["queue", "policy"],
)


class PolicyWatch(threading.Thread):
    """Asks the management API, where WRITEGATE_BROKER_API_URL names it, on a thread of its own: it may be slow."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(name="writegate-policies", daemon=True)
        self._settings = settings
        self._known: list[Harm] = []
        self._logged_at = 0.0
        self._stopping = threading.Event()

    def run(self) -> None:
        while self._settings.broker_api_url and not self._stopping.is_set():
            self._look()
            self._stopping.wait(LOOK_SECONDS)

    def stop(self, deadline: float) -> None:
        """Stop looking. An answer that is still awaited is not."""
        self._stopping.set()
        self.join(max(0.0, deadline - time.monotonic()))

    def _look(self) -> None:
        try:
            with broker.connect(self._settings) as api:
                found = api.harms()
        except ApplyError as error:
            log.warning("policies.put_off", error=str(error))
            return
        now = time.monotonic()
        if found == self._known and now - self._logged_at < _AGAIN_SECONDS:
            return
        for harm in found:
            log.error("broker.policy", policy=harm.policy, queue=harm.target, text=harm.text)
        if self._known and not found:
            log.info("broker.policy_gone")
        self._known, self._logged_at = found, now
        POLICY.clear()
        for harm in found:
            POLICY.labels(harm.target, harm.policy).set(1)
