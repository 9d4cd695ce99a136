"""Which networks the benchmarks measure: those of the presets. Needs no PyTorch."""

from train.config.presets import Preset, preset

OFFICIAL = {"progan": "v2-1gpu", "stylegan": "stylegan-1gpu"}


def width(network: str, name: str, resolution: int) -> Preset:
    """The preset of that name; "official" is the official program's on one GPU. SystemExit for a name there is not."""
    try:
        return preset(network, OFFICIAL[network] if name == "official" else name, resolution)
    except ValueError as error:
        raise SystemExit(f"error: {error}") from None


def batch_at(table: Preset, resolution: int) -> int:
    """The preset's batch at a resolution."""
    return table.batch.get(resolution, table.batch_base)
