"""Celery: an application whose tasks send commands (``celery -A tests.examples.with_celery worker -Q shop``)."""

from __future__ import annotations

import os

from celery import Celery

from tests.services.trial.contract import Deposit, trial
from writegate import publish
from writegate.celery import configure, task

app = Celery("shop", broker=os.environ["WRITEGATE_BROKER_URL"])
configure(app, services=[trial])
deposit = task(app, Deposit)


@app.task(name="shop.sell")
def sell(account: str) -> None:
    """Pay twice: by Celery's own means, and by the publisher of this worker process."""
    publish(Deposit(account=account, seq=1))
    deposit.delay(account=account, seq=2)
