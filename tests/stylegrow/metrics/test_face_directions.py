"""Named directions of the embedded faces: the groups, and what is found on faces whose attributes are known."""

from types import SimpleNamespace

import numpy as np
import torch

from stylegrow.data.sources import toonhead
from stylegrow.metrics.face_directions import GROUPS, face_directions, signs
from stylegrow.models.labels import LabelSpace
from stylegrow.sampling.generation import Setting
from stylegrow.sampling.latents import Latent


def test_the_groups_are_of_values_that_there_are():
    for attribute, end, other in GROUPS.values():
        assert end
        assert other
        assert not set(end) & set(other)
        assert set(end) | set(other) <= set(toonhead.classes(attribute))
    hair = np.array([toonhead.classes("hair_color").index(name) for name in ("blonde", "black", "blue")])
    readings = {name: np.zeros(3, int) for name in toonhead.ATTRIBUTES} | {"hair_color": hair}
    assert signs(readings)["light hair"].tolist() == [1, -1, 0]


class Faces:
    """Draws embedded faces with a beard where the first number of the coarse w is above 0, others where it is not."""

    labels = LabelSpace.of({"generator": {"label_dim": 0, "label_kind": "none"}, "classes": []})
    generator = SimpleNamespace(num_layers=10)

    def __init__(self):
        self.faces = {True: [], False: []}
        for number in range(120):
            bearded = toonhead.attributes(number)["beard"] != toonhead.ABSENT
            self.faces[bearded].append(toonhead.render(number, 64))

    def setting(self, **given):
        return Setting()

    def layers(self, setting):
        return 10

    def draw_w(self, seeds):
        return torch.stack(
            [torch.from_numpy(np.random.default_rng(seed).standard_normal(32)) for seed in seeds]
        ).float()

    def drawn(self, ws):
        for own in ws:
            pool = self.faces[bool(own[0, 0] > 0)]
            yield pool[int(abs(own[0, 1]) * 1000) % len(pool)]

    def ws(self, sources):
        w = [torch.from_numpy(one.values) if isinstance(one, Latent) else self.draw_w([one]) for one in sources]
        return torch.stack([one.expand(10, -1) for one in w])

    def images(self, sources, setting):
        return self.drawn(self.ws(sources))

    def along(self, seeds, amounts, setting, found):
        return self.drawn(found.moved(self.ws(seeds), torch.tensor(amounts)))


def test_the_direction_of_an_attribute_is_found_in_its_layers_and_its_effect_measured():
    found = face_directions(Faces(), lambda images, total: images, faces=800, tried=12, measured_faces=40)
    place = found.names.index("beard")
    vector, beard = found.vectors[place, 0], found.known[place]
    assert vector[0] / vector.norm() > 0.8
    assert set(range(4)) <= set(beard.layers)
    assert min(beard.flips, beard.back) > 0.8
    assert "beard" not in beard.changes
    assert beard.kind == "attribute"
