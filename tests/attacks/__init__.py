"""Attacks on a live gate: what a hostile or careless user can send, while the latency of a neighbour is measured.

``attack`` says what an attack is, ``neighbour`` measures, ``target`` is the gate, ``run`` tries one attack after the
other, ``table`` lists them all: those that go through the broker, and those that go over HTTP.
"""
