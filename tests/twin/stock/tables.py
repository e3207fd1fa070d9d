"""The tables of migrations/."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, Text

metadata = MetaData(schema="stock")

item = Table(
    "item",
    metadata,
    Column("article", Text, primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("code", Text),
    Column("weight", Integer),
    Column("note", String(8)),
    Column("size", Integer),
)
story = Table("story", metadata, Column("article", Text, primary_key=True), Column("text", Text))
tally = Table(
    "tally", metadata, Column("name", Text, primary_key=True), Column("total", Integer), Column("times", Integer)
)
balance = Table("balance", metadata, Column("article", Text, primary_key=True), Column("amount", Integer))
movement = Table(
    "movement", metadata, Column("id", Text, primary_key=True), Column("article", Text), Column("fee", Integer)
)
shelf = Table("shelf", metadata, Column("shelf", Text, primary_key=True))
place = Table(
    "place", metadata, Column("article", Text, primary_key=True), Column("shelf", Text, ForeignKey("stock.shelf.shelf"))
)
