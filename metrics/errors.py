"""The one exception of this room."""


class MetricError(ValueError):
    """What cannot be measured: one line that names the option, metric or file, says what is wrong and what to do."""
