"""How a user wants a source prepared."""

from dataclasses import dataclass
from typing import Literal, get_args

from stylegrow.common.errors import DataError

MIN_RESOLUTION, MAX_RESOLUTION = 4, 1024
CHANNELS = {"auto": None, "rgb": 3, "grey": 1}
Fit = Literal["crop", "pad", "stretch"]
FITS = get_args(Fit)
WHITE = "#ffffff"


@dataclass(frozen=True)
class Shape:
    """What every image of a data set is made into: `channels` square planes (1 or 3, of showers 2 or 3) of `resolution`
    pixels.

    Colours are "#rrggbb": that of the bars that "pad" adds (None: each image's own border's), and that which shows
    through where an image is transparent.
    """

    resolution: int
    channels: int
    fit: Fit = "crop"
    pad_color: str | None = None
    background: str = WHITE


@dataclass(frozen=True)
class Request:
    """How a user wants a source prepared; what is left open depends on the images. Raises DataError."""

    resolution: int | None = None
    channels: Literal["auto", "rgb", "grey"] = "auto"
    fit: Fit = "crop"
    drop_duplicates: bool = False
    pad_color: str | None = None
    background: str = WHITE

    def __post_init__(self) -> None:
        r = self.resolution
        if r is not None and (not MIN_RESOLUTION <= r <= MAX_RESOLUTION or r & (r - 1)):
            nearest = min((2**i for i in range(2, 11)), key=lambda power: abs(power - r))
            powers = f"a power of two from {MIN_RESOLUTION} to {MAX_RESOLUTION}"
            raise DataError(f"--resolution {r}: it must be {powers}: use {nearest}")
        for option, value, allowed in (("channels", self.channels, CHANNELS), ("fit", self.fit, FITS)):
            if value not in allowed:
                raise DataError(f"--{option} {value}: choose from {', '.join(allowed)}")
        object.__setattr__(self, "background", hex_color("--background", self.background))
        if self.pad_color is not None:
            object.__setattr__(self, "pad_color", hex_color("--pad-color", self.pad_color))
            if self.fit != "pad":
                raise DataError(f"--pad-color {self.pad_color}: is for --fit pad: give both")

    def shape(self, suitable: tuple[int, int] | None) -> Shape | None:
        """The images' shape, given the (resolution, channels) that suit them; None where those are missing."""
        resolution, channels = self.resolution, CHANNELS[self.channels]
        if suitable is not None:
            resolution, channels = resolution or suitable[0], channels or suitable[1]
        if not resolution or not channels:
            return None
        return Shape(resolution, channels, self.fit, self.pad_color, self.background)


def hex_color(option: str, given: str) -> str:
    """A colour given by its name or number as "#rrggbb". Raises DataError, which names the option."""
    from PIL import ImageColor

    try:
        red, green, blue, *alpha = ImageColor.getrgb(given)
        if alpha:
            raise ValueError("a colour that is partly transparent")
    except ValueError as error:
        raise DataError(f"{option} {given}: give a colour such as white, black or #c0ffee") from error
    return f"#{red:02x}{green:02x}{blue:02x}"
