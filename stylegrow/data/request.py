"""How a user wants a source prepared."""

from dataclasses import dataclass
from typing import Literal

from stylegrow.common.errors import DataError

MIN_RESOLUTION, MAX_RESOLUTION = 4, 1024
CHANNELS = {"auto": None, "rgb": 3, "grey": 1}
FITS = ("crop", "pad")


@dataclass(frozen=True)
class Shape:
    """What every image of a data set is made into: `channels` (1 or 3) square planes of `resolution` pixels."""

    resolution: int
    channels: int
    fit: Literal["crop", "pad"] = "crop"


@dataclass(frozen=True)
class Request:
    """How a user wants a source prepared; what is left open depends on the images. Raises DataError."""

    resolution: int | None = None
    channels: Literal["auto", "rgb", "grey"] = "auto"
    fit: Literal["crop", "pad"] = "crop"
    drop_duplicates: bool = False

    def __post_init__(self) -> None:
        r = self.resolution
        if r is not None and (not MIN_RESOLUTION <= r <= MAX_RESOLUTION or r & (r - 1)):
            nearest = min((2**i for i in range(2, 11)), key=lambda power: abs(power - r))
            powers = f"a power of two from {MIN_RESOLUTION} to {MAX_RESOLUTION}"
            raise DataError(f"--resolution {r}: it must be {powers}: use {nearest}")
        for option, value, allowed in (("channels", self.channels, CHANNELS), ("fit", self.fit, FITS)):
            if value not in allowed:
                raise DataError(f"--{option} {value}: choose from {', '.join(allowed)}")

    def shape(self, suitable: tuple[int, int] | None) -> Shape | None:
        """The images' shape, given the (resolution, channels) that suit them; None where those are missing."""
        resolution, channels = self.resolution, CHANNELS[self.channels]
        if suitable is not None:
            resolution, channels = resolution or suitable[0], channels or suitable[1]
        return Shape(resolution, channels, self.fit) if resolution and channels else None
