"""Each type's rows in one statement a table; parents are there already."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from writegate_writer import Writes
from writegate_writer.handlers import rows

from .contract import Order, Pay, Restock, shop
from .tables import customer, line, order, payment, product

_ORDER = """
with given as materialized (
    select * from unnest(%s::bigint[], %s::int[], %s::int[], %s::int[]) as g (id, customer, product, quantity)
), ordered as (
    insert into shop."order" (id, customer) select id, customer from given order by id
), lines as (
    insert into shop.line ("order", product, quantity) select id, product, quantity from given order by id
)
update shop.product p set stock = p.stock - taken.quantity
from (select product, sum(quantity) as quantity from given group by product order by product) taken
where p.id = taken.product
"""

writes = Writes(shop, tables=[customer, product, order, line, payment])


@writes.handler(Order)
def take(connection: Connection, commands: Sequence[Order]) -> None:
    columns = ("order", "customer", "product", "quantity")
    connection.exec_driver_sql(
        _ORDER, tuple(rows.array(getattr(command, name) for command in commands) for name in columns)
    )


_pay = rows.insert(payment)
_charge = rows.increment(customer, by={"balance": "amount"}, insert_missing=False, columns={"id": "customer"})
_more: dict[str, str | int] = {"stock": "quantity", "restocked": 1}


@writes.handler(Pay)
def pay(connection: Connection, commands: Sequence[Pay]) -> None:
    _pay(connection, commands)
    _charge(connection, commands)


writes.add(Restock, rows.increment(product, by=_more, insert_missing=False, columns={"id": "product"}))
