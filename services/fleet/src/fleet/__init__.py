"""Hours and cycles of every airframe.

Installed bare this is the contract (:mod:`fleet.contract`), which flights' handlers emit to. The extra ``app`` is the
HTTP service (:mod:`fleet.wsgi`) and the load of the register (``python -m fleet replay``); the extra ``writes`` is what
the writer loads (:mod:`fleet.writes`).
"""
