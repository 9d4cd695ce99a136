"""`stylegrow directions`: finds a model's directions in w and writes them beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stylegrow.cli.models import Model
from stylegrow.cli.options import check_range, progress
from stylegrow.common.commandline import Text
from stylegrow.common.tables import text_table
from stylegrow.common.text import printable

if TYPE_CHECKING:
    from stylegrow.sampling import directions


@dataclass(frozen=True)
class Directions:
    """Find directions in w in which a StyleGAN's images change in one way: directions.safetensors.

    PCA of w and SeFa for any model; for the embedded faces also named ones: hair, skin, beard, mouth, eyes.
    """

    model: Model
    faces: int = 3000
    """faces that the named ones are fitted to"""
    device: Text = None
    """cpu, cuda, cuda:1, mps, ... (default: the GPU, if there is one)"""

    def run(self) -> None:
        """Write them beside the model, and print what they do."""
        from stylegrow.data.trained_on import faces_of
        from stylegrow.metrics.face_directions import MOST_FACES, face_directions
        from stylegrow.models import read_config
        from stylegrow.sampling import directions
        from stylegrow.sampling.sampler import Sampler

        check_range("--faces", self.faces, 100, MOST_FACES)
        sampler = Sampler(self.model, self.device)
        found = sampler.fit_directions()
        if faces_of(read_config(self.model)["training"]) is not None:
            named = face_directions(sampler, progress, self.faces)
            found = directions.joined(named, found) if named else found
        path = directions.write(sampler.folder, found, sampler.weights)
        print(*text_table(table(found)), sep="\n")
        print(f"wrote {printable(path)}")


def table(found: directions.Directions) -> list[tuple[str, ...]]:
    """What directions do, a row a direction."""
    from stylegrow.sampling.directions import FARTHEST, bands_text

    far = f"{FARTHEST:g}"
    rows: list[tuple[str, ...]] = [("NAME", "LAYERS", "DEVIATION", f"AT +{far}", f"AT -{far}", "ALSO CHANGES")]
    for one in found.known:
        others = sorted(one.changes.items(), key=lambda item: -item[1])[:3]
        effect = ["" if share is None else f"{share:.0%}" for share in (one.flips, one.back)]
        also = ", ".join(f"{name} {share:.0%}" for name, share in others)
        rows.append((one.name, bands_text(one.layers), f"{one.deviation:.3g}", *effect, also))
    return rows
