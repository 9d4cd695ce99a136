"""Showers as people look at them: layers of a calorimeter, and stations on the ground, in colours.

The colours of layers and their sum are evenly spaced for the eye from black, no signal, to a pale yellow: steps of
equal length in CIE L*a*b* for equal steps of log(1 + signal in MIP), so that single particles and cores of thousands
are seen at once. Stations are as much lighter as log(signal in VEM) is larger, and coloured by when the front arrived:
blue before its plane passes the core, orange after that, black where a station saw nothing.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from stylegrow.physics.footprints import STATIONS, THRESHOLD
from stylegrow.physics.intensity import INTENSITIES, MIP_ROOT, VEM_ROOT_NS, WHITE
from stylegrow.physics.tungsten import CALORIMETER

MOST = float(MIP_ROOT.scales[0].decode(np.array(WHITE), 1))  # MIP
COLOURS = 256
HUES = (290.0, 75.0 + 360)  # degrees at black and at white: from violet over red to yellow
LIGHTEST, MOST_CHROMA = 94.0, 62.0
MOST_VEM = float(VEM_ROOT_NS.scales[0].decode(np.array(WHITE), 1))
LONGEST = 10_000.0  # ns, beyond which arrival times look the same
DARKEST, LATE_HUE, MOST_TIMED = 30.0, 60.0, 38.0  # of stations with a signal: L*, degrees, the largest chroma
WHITE_POINT = np.array([0.95047, 1.0, 1.08883])  # D65
XYZ_TO_RGB = np.array(  # IEC 61966-2-1
    [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
)


def shown(images: np.ndarray, transform: str) -> np.ndarray:
    """Showers [N, n, n, 3] (uint8) whose grey levels `transform` made, as colours [N, m, m, 3] (uint8).

    Of a calorimeter m is 2n: the front and the middle layer are above, the rear one and the sum of all below. Of
    stations it is n. Images of another `transform` are returned as they are.
    """
    if transform == VEM_ROOT_NS.name:
        joined = max(STATIONS // images.shape[1], 1) ** 2
        signals, times = VEM_ROOT_NS.decode(images[..., :2].transpose(0, 3, 1, 2), joined).transpose(1, 0, 2, 3)
        return timed(signals, times)
    if transform != MIP_ROOT.name:
        return images
    joined = max(CALORIMETER.cells // images.shape[1], 1) ** 2
    signals = INTENSITIES[transform].decode(images.transpose(0, 3, 1, 2), joined)
    front, middle, rear = coloured(signals).transpose(1, 0, 2, 3, 4)
    above = np.concatenate([front, middle], axis=2)
    below = np.concatenate([rear, coloured(signals.sum(axis=1))], axis=2)
    return np.concatenate([above, below], axis=1)


def times(transform: str | None) -> int:
    """How many times larger a side of the shown image is."""
    return 2 if transform == MIP_ROOT.name else 1


def coloured(signals: np.ndarray) -> np.ndarray:
    """The colours [..., 3] (uint8) of signals [...] in MIP, saturated at the largest that images hold."""
    return colours()[np.rint(place(signals) * (COLOURS - 1)).astype(np.int64)]


def place(signals: np.ndarray) -> np.ndarray:
    """How far from black to white, 0 to 1, the colours of signals in MIP are."""
    return np.clip(np.log1p(signals) / np.log1p(MOST), 0, 1)


def timed(signals: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The colours [..., 3] (uint8) of stations' signals [...] in VEM and arrival times [...] in ns."""
    lightness = DARKEST + (LIGHTEST - DARKEST) * place_of_vem(signals)
    # To both ends of the lightness a screen has less and less colour.
    chroma = MOST_TIMED * np.clip(times / LONGEST, -1, 1) * np.clip((100 - lightness) / 40, 0, 1)
    hue = np.radians(LATE_HUE)
    colour = srgb(np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=-1).reshape(-1, 3))
    levels = np.rint(255 * np.clip(colour, 0, 1)).astype(np.uint8).reshape(*signals.shape, 3)
    return np.where(signals[..., None] > 0, levels, 0).astype(np.uint8)


def place_of_vem(signals: np.ndarray) -> np.ndarray:
    """How far from the darkest to the lightest, 0 to 1, signals in VEM are drawn."""
    return np.clip(np.log(np.maximum(signals, THRESHOLD) / THRESHOLD) / np.log(MOST_VEM / THRESHOLD), 0, 1)


@cache
def colours() -> np.ndarray:
    """The colours [256, 3] (sRGB, uint8) from black to white."""
    t = np.linspace(0, 1, 4096)
    lab = _curve(t)
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(lab, axis=0), axis=1))])
    even = np.interp(np.linspace(0, along[-1], COLOURS), along, t)
    return np.rint(255 * np.clip(srgb(_curve(even)), 0, 1)).astype(np.uint8)


def _curve(t: np.ndarray) -> np.ndarray:
    """L*a*b* [N, 3] of a curve that is black at 0 and pale at 1, with the most colour between."""
    hue = np.radians(HUES[0] + (HUES[1] - HUES[0]) * t)
    chroma = MOST_CHROMA * np.sin(np.pi * np.clip(t, 0, 1)) ** 0.8
    return np.stack([LIGHTEST * t, chroma * np.cos(hue), chroma * np.sin(hue)], axis=1)


def srgb(lab: np.ndarray) -> np.ndarray:
    """Colours [N, 3] of CIE L*a*b* as sRGB, 0 to 1 where a screen can show them."""
    y = (lab[:, 0] + 16) / 116
    f = np.stack([y + lab[:, 1] / 500, y, y - lab[:, 2] / 200], axis=1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * WHITE_POINT
    linear = xyz @ XYZ_TO_RGB.T
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.abs(linear) ** (1 / 2.4) - 0.055)
