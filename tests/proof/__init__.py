"""``make proof``: every long check, one after the other, on the commit that stands.

``checks`` declares them, ``figures`` reads numbers from what they print, ``commands`` runs one, ``record`` keeps what
was found for a commit, ``report`` shows it.
"""
