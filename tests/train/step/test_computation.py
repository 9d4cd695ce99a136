"""What a step computes looks at no value, so that it can be captured as a CUDA graph, and reads its inputs anew."""

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from tests.train.small import a_schedule, a_trainer, step, weights
from train.step.graphs import copy_into

aten = torch.ops.aten
# What waits for the device, what has a shape that depends on values, and constants that come from the processor.
REFUSED = {
    aten._local_scalar_dense, aten.item, aten.is_nonzero, aten.equal, aten.nonzero, aten.argwhere, aten.masked_select,
    aten._unique2, aten.unique_dim, aten.unique_consecutive, aten.bincount, aten.repeat_interleave, aten.lift_fresh,
    aten.lift_fresh_copy, aten.set_, aten.record_stream, aten.pin_memory, aten._pin_memory,
}  # fmt: skip


class AsIfCaptured(TorchDispatchMode):
    """Refuses operators that no CUDA graph can hold: see REFUSED, and indices by masks and copies between devices."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        operator = function.overloadpacket
        masks = operator in (aten.index, aten.index_put, aten.index_put_) and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        )
        moved = operator in (aten._to_copy, aten.copy_) and kwargs.get("device", args[0].device) != args[0].device
        if operator in REFUSED or masks or moved:
            raise AssertionError(f"{function} cannot be captured")
        return function(*args, **kwargs)


PLACES = {"4 px": 0, "fade to 8 px": 230, "8 px": 400, "fade to 16 px": 630, "16 px": 800}
CASES = [
    {"images": images, "architecture": architecture, **config}
    for architecture in ("progan", "stylegan")
    for images, config in (
        (PLACES["4 px"], {}),
        (PLACES["fade to 8 px"], {"labels": True, "mirror": True, "dtype": torch.float32}),
        (PLACES["fade to 16 px"], {"n_critic": 2, "batch_per_device": 4}),
        (PLACES["fade to 16 px"], {"mixed_precision": "bf16", "dtype": torch.float32}),
        (PLACES["16 px"], {"loss": "ns-r1", "labels": True}),
        (PLACES["fade to 16 px"], {"labels": "vector", "dtype": torch.float32}),
        (PLACES["fade to 16 px"], {"loss": "hinge", "spectral_norm": "both", "equalized": False}),
        (PLACES["fade to 8 px"], {"loss": "wgan-clip", "equalized": False}),
        (PLACES["8 px"], {"loss": "gan", "spectral_norm": "critic"}),
        (PLACES["fade to 8 px"], {"loss": "ns", "mirror": True, "batch_per_device": 8}),
        (PLACES["fade to 16 px"], {"augment": "color,translation,cutout", "augment_p": 0.5}),
        (PLACES["8 px"], {"loss": "ns-r1", "augment": "color,translation,cutout", "augment_p": "ada"}),
    )
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_step_can_be_captured_and_reads_inputs_that_are_refilled_in_place(case):
    case = {"schedule": a_schedule(stable=0.2, fade=0.2)} | case
    images = case.pop("images")
    fresh, loader = a_trainer(**case)
    captured, _ = a_trainer(**case)
    fresh.images = captured.images = images
    held = {}

    def place(inputs):
        """The inputs where those of the step before were."""
        if type(inputs) in held:
            copy_into(held[type(inputs)], inputs)
        else:
            held[type(inputs)] = tree_map_only(Tensor, torch.clone, inputs)
        return held[type(inputs)]

    def call(function, *inputs):
        with AsIfCaptured():
            return function(*inputs)

    captured.graphs.place, captured.graphs.call = place, call
    for _ in range(2):
        expected, found = step(fresh, loader), step(captured, loader)
        assert expected.keys() == found.keys()
        assert all(torch.equal(value, found[name]) for name, value in expected.items())
    after = weights(captured)
    assert all(torch.equal(value, after[name]) for name, value in weights(fresh).items())


def test_what_cannot_be_captured_is_refused():
    values = torch.tensor([1.0, 2.0])
    for function in (
        lambda: values.sum().item(),
        lambda: bool(values[0] > 0),
        lambda: values[values > 1],
        lambda: values.nonzero(),
        lambda: torch.tensor(1.0),
        lambda: values.to("meta"),
    ):
        with AsIfCaptured(), pytest.raises(AssertionError, match="cannot be captured"):
            function()
