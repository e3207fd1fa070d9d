"""A RabbitMQ cluster of three nodes on this machine, and PostgreSQL: the local stack with two nodes more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

import httpx

from tests.deadlines import patient
from tests.servers import OWNER, Servers, servers_running
from writegate_devkit.stack import Stack, broker
from writegate_devkit.stack.ports import choose
from writegate_devkit.stack.programs import Program

FIRST = "rabbitmq"
MORE = ("rabbitmq-2", "rabbitmq-3")
JOIN_SECONDS = patient(120)


class ClusteredStack(Stack):
    """A stack whose broker has three nodes, which share the first one's name server, cookie and directory."""

    nodes = (FIRST, *MORE)

    @property
    def programs(self) -> tuple[str, ...]:
        """The further nodes as well."""
        return (*super().programs, *MORE)

    @cached_property
    def _ports(self) -> dict[str, int]:
        return choose([f"{what} {name}" for name in MORE for what in ("amqp", "management", "dist")], {})

    def port(self, node: str) -> int:
        """Return the port on which a node serves clients."""
        return self.state.ports["rabbitmq"] if node == FIRST else self._ports[f"amqp {node}"]

    def declared(self) -> list[Program]:
        """Return the programs of the stack and the further nodes."""
        programs = super().declared()
        (first,) = [program for program in programs if program.name == FIRST]
        return [*programs, *(self._further(first, name) for name in MORE)]

    def ready(self, name: str) -> bool:
        """Whether a program answers; a further node does when the cluster counts it among its running ones."""
        if name not in MORE:
            return super().ready(name)
        management = f"http://{OWNER}:{self.state.passwords[OWNER]}@127.0.0.1:{self._ports[f'management {name}']}/api"
        try:
            with httpx.Client(transport=httpx.HTTPTransport(verify=False), timeout=patient(2)) as client:
                healthy = client.get(f"{management}/health/checks/virtual-hosts").status_code == httpx.codes.OK
                nodes = client.get(f"{management}/nodes").json() if healthy else []
        except (httpx.HTTPError, ValueError):
            return False
        return len(nodes) == len(self.nodes)

    def join(self) -> None:
        """Start the further nodes. On their first start they join the first one."""
        (first,) = [program for program in super().declared() if program.name == FIRST]
        home = broker.directory(self.home)
        for name in MORE:
            own = f"""
listeners.tcp.1 = 127.0.0.1:{self._ports[f"amqp {name}"]}
management.tcp.port = {self._ports[f"management {name}"]}
cluster_formation.peer_discovery_backend = classic_config
cluster_formation.classic_config.nodes.1 = {first.environment["RABBITMQ_NODENAME"]}
"""
            (home / f"{name}.conf").write_text((home / "rabbitmq.conf").read_text() + own)
            broker.give(home / f"{name}.conf", broker.USER)
        self.start(*MORE)

    def down(self, *, wipe: bool = False) -> None:
        """Stop everything. The nodes first, together: one alone would wait for the others."""
        if self.running():
            self.stop(*self.nodes)
        super().down(wipe=wipe)

    def _further(self, first: Program, name: str) -> Program:
        own = {
            "RABBITMQ_NODENAME": first.environment["RABBITMQ_NODENAME"].replace("@", f"-{name}@"),
            "RABBITMQ_DIST_PORT": str(self._ports[f"dist {name}"]),
            "RABBITMQ_CONFIG_FILE": str(broker.directory(self.home) / f"{name}.conf"),
        }
        return replace(
            first, name=name, address=f"amqp://127.0.0.1:{self.port(name)}", environment={**first.environment, **own}
        )


@contextmanager
def cluster_running() -> Iterator[Servers]:
    """Start PostgreSQL and the cluster for as long as the block lasts, and leave nothing behind."""
    with servers_running(ClusteredStack) as servers:
        assert isinstance(servers.stack, ClusteredStack)
        servers.stack.join()
        yield servers
