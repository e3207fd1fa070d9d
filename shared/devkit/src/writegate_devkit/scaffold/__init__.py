"""``writegate service new``: a folder for a new service, and its entries in the files that name every service.

``names`` says what may be called what, ``entries`` puts a service into a file's text, ``scaffold`` makes all of it from
the files in ``templates/`` and writes it. A template is what it becomes but for ``$service``, ``$SERVICE``, ``$key``,
``$lanes`` and the ending of its name.
"""
