class ModelError(ValueError):
    """A model that cannot be found, read or written, with one line that names the file and says what is wrong."""
