"""How a process's share of a batch is computed in parts, one after another, without changing the objective."""

from progan.config import DiscriminatorConfig
from progan.layers import largest_group


def part_sizes(share: int, critic: DiscriminatorConfig) -> list[int]:
    """The sizes, from the least on, of equal parts of `share` samples in which the critic's groups stay whole.

    Its minibatch standard deviation compares the samples of a group, so that smaller parts would be another objective.
    """
    least = largest_group(share, critic.mbstd_group) if critic.mbstd_features else 1
    return [size for size in range(least, share + 1, least) if share % size == 0]


def part_size(share: int, critic: DiscriminatorConfig, most: int | None) -> int:
    """The largest of these sizes that is at most `most`. ValueError where there is none."""
    return max(size for size in part_sizes(share, critic) if most is None or size <= most)
