"""What can end a training run with one line instead of a traceback."""


class OptionError(ValueError):
    """An option or an input that cannot be used; the command ends with status 2."""


class RunError(RuntimeError):
    """A run that cannot go on; the command ends with status 1. What was saved before stays as it is."""
