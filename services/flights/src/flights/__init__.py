"""Departures and arrivals, and their totals by day for each airport and carrier.

Without extras this is the contract (:mod:`flights.contract`). The extra ``app`` is the HTTP service
(:mod:`flights.app`) and the replay of a year of real flights (``python -m flights replay``); the extra ``writes`` is
what the writer loads (:mod:`flights.writes`).
"""
