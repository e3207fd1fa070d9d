"""How many commands the acknowledged messages of each service held, for those who turn messages into commands."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping


class MessageContents:
    """Counts on the hub thread; taken by the slot that keeps house. Both counters are under the lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: Counter[str] = Counter()
        self._commands: Counter[str] = Counter()

    def add(self, messages: Mapping[str, int], commands: Mapping[str, int]) -> None:
        """Count finished messages and decided commands, by service."""
        with self._lock:
            self._messages.update(messages)
            self._commands.update(commands)

    def take(self) -> dict[str, float]:
        """Return commands per message since the last call, of the services that finished a message, and start anew."""
        with self._lock:
            # Parts of a message that is not finished count with its last ones: over ten seconds that evens out.
            found = {service: self._commands[service] / count for service, count in self._messages.items()}
            for service in found:
                del self._messages[service], self._commands[service]
        return found
