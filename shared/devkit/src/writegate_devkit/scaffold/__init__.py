"""``writegate service new``: a folder for a new service. It changes no other file, so that two of them never conflict.

``names`` checks the names, ``scaffold`` makes everything from the files in ``templates/`` and writes it. What runs,
builds and checks all services finds their folders. A template is the finished file except for ``$service``,
``$SERVICE``, ``$key``, ``$lanes`` and its suffix.
"""
