"""Hourly observations at the airports.

Without extras this is the contract (:mod:`weather.contract`). The extra ``app`` is the process that follows the feed
(``python -m weather follow``) or replays it (``python -m weather replay``); the extra ``writes`` is what the writer
loads (:mod:`weather.writes`).
"""
