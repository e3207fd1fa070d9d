"""What can go wrong with a stack."""

from writegate.errors import WritegateError


class StackError(WritegateError):
    """The stack cannot do what was asked. The text says what was expected, what came, and what to do."""
