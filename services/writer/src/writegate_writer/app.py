"""The Celery application of a writer: ``celery -A writegate_writer.app worker --hostname writer-1@%h``."""

from __future__ import annotations

import os
import socket
import ssl
import sys
import time
from typing import Any

from celery import Celery, signals
from celery.worker.control import Panel
from kombu import Exchange, Queue

from writegate.config import Settings
from writegate.errors import WritegateError
from writegate.message.topology import exchange_name, queue_name
from writegate.session_name import session_name
from writegate.urls import tls_of, without_options
from writegate_writer.handlers.loading import load_services
from writegate_writer.worker import logs
from writegate_writer.worker.process import Process

# Celery's remote commands that would change what is consumed, or lose a write: lanes follow leases, and an accepted
# write is not revoked.
_REFUSED = (
    "add_consumer",
    "autoscale",
    "cancel_consumer",
    "pool_grow",
    "pool_restart",
    "pool_shrink",
    "rate_limit",
    "revoke",
    "revoke_by_stamped_headers",
    "terminate",
    "time_limit",
)


def make_app(settings: Settings) -> Celery:
    """Return the application, with a process that starts when the worker does."""
    services = load_services()
    app = Celery("writegate")
    app.conf.update(
        # For the banner only: which lanes this process serves depends on its leases.
        task_queues=[
            Queue(queue_name(name, lane), Exchange(exchange_name(name), type="direct"), routing_key=str(lane))
            for name, writes in services.items()
            for lane in range(writes.service.lanes)
        ],
        broker_url=without_options(settings.broker_url),  # kombu would take them for arguments of its own
        broker_use_ssl=_tls(settings.broker_url),
        broker_heartbeat=settings.heartbeat_seconds,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # an outage may last hours
        broker_channel_error_retry=True,
        broker_transport_options={
            "client_properties": {"connection_name": session_name("writegate writer")},
            # py-amqp's own is 1 s: a short stall would reset the connection.
            "socket_settings": {socket.TCP_USER_TIMEOUT: 10_000},
        },
        worker_consumer="writegate_writer.worker.bootsteps:GateConsumer",
        worker_pool="solo",  # never used: slots are threads of ours
        worker_concurrency=1,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_enable_remote_control=True,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        task_create_missing_queues=False,
        accept_content=["json"],
        result_backend=None,
    )
    app.writegate_process = Process(settings, services)  # type: ignore[attr-defined]  # the worker's steps find it here
    return app


def _tls(broker_url: str) -> dict[str, Any] | bool:
    """Return how every connection of Celery's checks the broker: its certificate, and the host name in that.

    Without a host name py-amqp takes any certificate of a known authority.
    """
    options = tls_of(broker_url)
    return False if options is None else {**options, "cert_reqs": ssl.CERT_REQUIRED}


def _refuse(command: str) -> Any:
    def refuse(*_: Any, **__: Any) -> dict[str, str]:
        return {
            "error": f"a writer does not take {command!r}: use `writegate hold` to stop a lane, scale writers to grow"
        }

    return refuse


@signals.celeryd_after_setup.connect
def _name_process(sender: str, instance: Any, **_: Any) -> None:
    # Not the node's name alone: a restarted writer must not take the leases of its predecessor for its own.
    instance.app.writegate_process.name = f"{sender}/{os.getpid()}-{int(time.time())}"
    for command in _REFUSED:
        Panel.data[command] = _refuse(command)


@signals.worker_shutdown.connect
def _stop_process(sender: Any, **_: Any) -> None:
    # A worker that ends while it has no broker stops none of its steps: its leases would have to run out.
    sender.app.writegate_process.stop()


def _load() -> Celery:
    logs.configure()
    try:
        return make_app(Settings.load(need=("broker_url", "database_url")))
    except WritegateError as error:
        sys.exit(f"writegate writer: {error}")


app = _load()
