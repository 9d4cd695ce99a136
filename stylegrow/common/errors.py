"""The errors that a user can do something about: each is one line that names the file or option, and what to do."""


class InputError(ValueError):
    """An option or an input that cannot be used; a command that meets it ends with exit status 2."""


class DataError(InputError):
    """A data set that cannot be found, read or prepared."""


class ModelError(InputError):
    """A model that cannot be found, read or written."""


class RunError(RuntimeError):
    """A run that cannot go on, through no fault of its options; a command that meets it ends with exit status 1."""
