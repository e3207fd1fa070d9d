"""The fault rig: a real cluster, real writers and publishers, real faults, and a checker of what came of it.

``cluster`` starts the servers, ``rig`` all that works on them, ``publishing`` is a publisher's process and ``history``
what it wrote down; ``kinds`` are the faults, ``run`` injects them one after the other, ``checker`` says what was
violated.
"""
