"""What became of one command, and which commands follow from it.

In: a command id. Out: :class:`story.Event` in order of time, and the tree of :class:`tree.TreeNode`. ``story`` is pure,
``queries`` and ``tree`` ask the database. Runs on the caller's thread.
"""
