"""``writegate service new``: a folder for a new service, and its entries in the files that name every service.

``names`` checks the names, ``entries`` adds a service to the text of a file, ``scaffold`` makes everything from the
files in ``templates/`` and writes it. A template is the finished file except for ``$service``, ``$SERVICE``, ``$key``,
``$lanes`` and its suffix.
"""
