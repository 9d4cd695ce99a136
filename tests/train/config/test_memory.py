"""The memory of a step by formula."""

import pytest
import torch

from tests.train.config.test_run_config import Images
from train.config.memory import outputs, room
from train.config.options import Options
from train.config.run_config import make_run_config


@pytest.mark.parametrize("architecture", ["progan", "stylegan"])
@pytest.mark.parametrize("resolution", [8, 16, 32])
def test_the_layers_put_out_as_many_numbers_as_are_reckoned(architecture, resolution):
    """Each layer's before and after its nonlinearity."""
    plan = make_run_config(architecture, Options(fmap_base=512, fmap_max=32, z_dim=8), Images(32), 1, "no")
    count = 0

    def count_output(_module, _inputs, output):
        nonlocal count
        count += 2 * output.numel()

    networks = plan.build()
    for network, inputs in zip(networks, (torch.zeros(1, 8), torch.zeros(1, 3, resolution, resolution)), strict=True):
        for module in network.modules():
            if not list(module.children()):
                module.register_forward_hook(count_output)
        network(inputs, **({"resolution": resolution} if network is networks[0] else {}))
    assert outputs(architecture, 512, 32, resolution) == pytest.approx(count, rel=0.1)


def test_the_official_batches_have_room_on_the_cards_that_they_were_made_for():
    """The official program's batches for one GPU were for 16 GB, in float32 with half of the layers in float16."""
    for resolution, batch in ((64, 32), (128, 16), (256, 8), (512, 4)):
        assert room("progan", Options(), resolution, "bf16", 16.0) >= batch
    assert room("stylegan", Options(), 1024, "no", 8.0) < 4
    assert room("stylegan", Options(), 1024, "no", 1.0) == 0
