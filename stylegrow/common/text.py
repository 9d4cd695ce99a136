"""Text for people: anything in one line, durations, numbers of things."""


def printable(text: object) -> str:
    """`text` with everything a terminal cannot show in one line (line ends, undecodable bytes) written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))


def one_line(error: BaseException) -> str:
    """The message of another library's exception as one line."""
    return " ".join(str(error).split()) or type(error).__name__


def counted(count: int, noun: str) -> str:
    """ "1 image", "2 images"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """Seconds for people: 45s, 3m 20s, 1h 05m, 2d 03h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 60:
        return f"{minutes}m {whole % 60:02d}s"
    return f"{hours}h {minutes % 60:02d}m" if hours < 48 else f"{days}d {hours % 24:02d}h"


def with_deviation(value: float | None, deviation: float | None = None) -> str:
    """A number to four digits, with its deviation to two; "-" for none."""
    if value is None:
        return "-"
    return f"{value:.4g}" + ("" if deviation is None else f" ± {deviation:.2g}")
