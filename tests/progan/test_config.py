"""The configurations of both architectures: one declaration of a network's arguments."""

import dataclasses
import inspect
import json

import pytest

from stylegrow.architectures import ARCHITECTURES
from stylegrow.models import save_model

SMALL = {"resolution": 8, "fmap_base": 32, "fmap_max": 8}
NETWORKS = [(name, role) for name, kind in ARCHITECTURES.items() for role in kind.roles]


@pytest.mark.parametrize(("architecture", "role"), NETWORKS)
def test_arguments_are_the_fields_of_the_configuration(architecture, role):
    network = ARCHITECTURES[architecture].network_class(role)
    config = ARCHITECTURES[architecture].config_class(role)
    assert inspect.signature(network).parameters == inspect.signature(config).parameters
    made = network(8, fmap_base=32, fmap_max=8)
    assert made.config == config(**SMALL)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.config.resolution = 16


@pytest.mark.parametrize(("architecture", "role"), NETWORKS)
def test_a_network_is_made_again_from_its_configuration(architecture, role):
    network = ARCHITECTURES[architecture].network_class(role)
    config = network(**SMALL, label_dim=2).config
    stored = json.loads(json.dumps(dataclasses.asdict(config)))
    assert stored == dataclasses.asdict(config)
    assert network.from_config(config).config == network.from_config(stored).config == config


@pytest.mark.parametrize(("architecture", "role"), NETWORKS)
def test_an_unknown_argument_is_named(architecture, role):
    network = ARCHITECTURES[architecture].network_class(role)
    with pytest.raises(TypeError, match="resolutoin"):
        network(resolutoin=8)
    with pytest.raises(TypeError, match="colour"):
        network.from_config({"colour": 1})


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_configuration_is_what_config_json_holds(architecture, tmp_path):
    kind = ARCHITECTURES[architecture]
    networks = [
        kind.network_class(role)(**SMALL, **({"z_dim": 8} if role == "generator" else {})) for role in kind.roles
    ]
    save_model(tmp_path / "m", *networks)
    stored = json.loads((tmp_path / "m" / "config.json").read_text())
    for role, network in zip(kind.roles, networks, strict=True):
        assert list(stored[role].items()) == list(dataclasses.asdict(network.config).items())
