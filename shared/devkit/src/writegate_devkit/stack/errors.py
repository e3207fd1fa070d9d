"""The error of a stack."""

from writegate.errors import WritegateError


class StackError(WritegateError):
    """The stack cannot do what was asked. The text says what was expected, what was found, and what to do."""
