"""A network that is made from a configuration, or from the configuration's fields as keyword arguments."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import torch
from torch import nn

from progan.config import NetworkConfig

Fields = ParamSpec("Fields")
Config = TypeVar("Config", bound=NetworkConfig)
Instance = TypeVar("Instance")


def takes_fields_of(
    config_class: Callable[Fields, Config],
) -> Callable[[Callable[[Instance, Config], None]], Callable[Concatenate[Instance, Fields], None]]:
    """Have an __init__ that is written for a configuration take the configuration's fields as its arguments."""

    def decorate(init: Callable[[Instance, Config], None]) -> Callable[Concatenate[Instance, Fields], None]:
        @wraps(init)
        def init_with_fields(self: Instance, *args: Fields.args, **kwargs: Fields.kwargs) -> None:
            init(self, config_class(*args, **kwargs))

        own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        parameters = [own, *inspect.signature(config_class).parameters.values()]
        init_with_fields.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return init_with_fields

    return decorate


class Network(nn.Module):
    """A network with its configuration: `config` holds all arguments it was made with.

    `compute_dtype` is the precision of the convolutions, None for that of the input.
    """

    config: NetworkConfig
    compute_dtype: torch.dtype | None = None

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.resolution, self.label_dim = config.resolution, config.label_dim

    @classmethod
    def from_config(cls, config: NetworkConfig | Mapping[str, Any]) -> Self:
        """The network of a configuration, or of its fields as config.json stores them, with new weights.

        TypeError for a field that the configuration does not have, ValueError for values that make no network.
        """
        return cls(**(config if isinstance(config, Mapping) else vars(config)))
