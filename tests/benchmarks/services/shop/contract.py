"""What is published."""

from __future__ import annotations

from writegate import Command, Service


class Order(Command, key="customer"):
    """A customer orders some of a product: a row in two tables, and less in stock."""

    order: int
    customer: int
    product: int
    quantity: int


class Pay(Command, key="customer"):
    """A customer pays: a row, and another balance."""

    customer: int
    amount: int


class Restock(Command, key="product"):
    """More of a product is there."""

    product: int
    quantity: int


shop = Service("shop", commands=[Order, Pay, Restock])
