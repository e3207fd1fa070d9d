"""Customers and products are there before; orders, their lines and payments refer to them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table

_metadata = MetaData(schema="shop")

customer = Table("customer", _metadata, Column("id", Integer, primary_key=True), Column("balance", BigInteger))
product = Table(
    "product",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("stock", BigInteger),
    Column("restocked", BigInteger),
)
order = Table("order", _metadata, Column("id", BigInteger, primary_key=True), Column("customer", Integer))
line = Table(
    "line",
    _metadata,
    Column("order", BigInteger, primary_key=True),
    Column("product", Integer),
    Column("quantity", Integer),
)
payment = Table(
    "payment",
    _metadata,
    Column("id", BigInteger, primary_key=True),
    Column("customer", Integer),
    Column("amount", Integer),
)
