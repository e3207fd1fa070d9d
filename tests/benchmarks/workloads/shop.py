"""A mix over five tables with foreign keys: six in ten are orders, three payments, one more stock."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.benchmarks.services.shop.contract import Order, Pay, Restock
from tests.benchmarks.services.shop.writes import writes
from tests.benchmarks.workloads.base import Statement, Totals, Workload
from writegate import Command

_CUSTOMERS, _PRODUCTS = 1000, 200


def _command(random: Random, bad: bool, _: str) -> Command:
    which = random.random()
    customer, product = int(random.random() * _CUSTOMERS) + 1, int(random.random() * _PRODUCTS) + 1
    amount = int(random.random() * 9) + 1
    if which < 0.6 or bad:
        quantity = -amount if bad else amount
        return Order(order=random.getrandbits(62), customer=customer, product=product, quantity=quantity)
    if which < 0.9:
        return Pay(customer=customer, amount=amount)
    return Restock(product=product, quantity=amount)


def _statements(command: Any) -> list[Statement]:
    if isinstance(command, Order):
        return [
            ('insert into shop."order" (id, customer) values (%s, %s)', (command.order, command.customer)),
            (
                'insert into shop.line ("order", product, quantity) values (%s, %s, %s)',
                (command.order, command.product, command.quantity),
            ),
            ("update shop.product set stock = stock - %s where id = %s", (command.quantity, command.product)),
        ]
    if isinstance(command, Pay):
        return [
            ("insert into shop.payment (customer, amount) values (%s, %s)", (command.customer, command.amount)),
            ("update shop.customer set balance = balance + %s where id = %s", (command.amount, command.customer)),
        ]
    return [
        (
            "update shop.product set stock = stock + %s, restocked = restocked + 1 where id = %s",
            (command.quantity, command.product),
        )
    ]


def _paid(change: Totals) -> bool:
    balances, payments, orders, lines = change
    return balances == payments and orders == lines


mixed = Workload(
    name="mixed",
    writes=writes,
    command=_command,
    statements=_statements,
    effects='select (select count(*) from shop."order") + (select count(*) from shop.payment) '
    "+ (select sum(restocked) from shop.product)",
    reset='truncate shop."order", shop.line, shop.payment; vacuum shop.product; vacuum shop.customer',
    populate=(
        f"insert into shop.customer (id) select generate_series(1, {_CUSTOMERS})",
        f"insert into shop.product (id) select generate_series(1, {_PRODUCTS})",
    ),
    totals="select (select sum(balance) from shop.customer), (select coalesce(sum(amount), 0) from shop.payment), "
    '(select count(*) from shop."order"), (select count(*) from shop.line)',
    agree=_paid,
)
