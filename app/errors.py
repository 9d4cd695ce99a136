"""The one exception of this room."""


class AppError(ValueError):
    """A user's mistake: one line that says what is wrong with which input, and what to give instead."""
