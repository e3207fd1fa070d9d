"""Hours and cycles of every airframe.

Without extras this is the contract (:mod:`fleet.contract`), to which flights' handlers emit. The extra ``app`` is the
HTTP service (:mod:`fleet.asgi`) and the command that publishes the register (``python -m fleet replay``); the extra
``writes`` is what the writer loads (:mod:`fleet.writes`).
"""
