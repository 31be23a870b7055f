"""Where a training begins: which network, with which weights, improved by which optimisers."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from . import distributed, generators
from .checkpoint import read_model, start_from
from .errors import ConfigError
from .shipped import model_place
from .systems import system_of
from .train_config import TrainConfig
from .train_state import State


def network_of(config: TrainConfig) -> tuple[str, dict[str, Any]]:
    """The network and its settings: of the named size, or those of the model it starts from."""
    if config.generator:
        return generators.settings_of(config.generator)
    spec = read_model(model_place(config.start))[0]
    return spec.network, spec.settings


def fresh_state(config: TrainConfig, seed: int, device: torch.device) -> State:
    """Networks with seeded weights, or those of `start`, on the device, and their optimisers.

    Raises ConfigError where a loss term has a weight that the system does not compute.
    """
    idle = sorted(set(config.weights.terms()) - system_of(config.system).terms(config))
    if idle := [name for name in idle if config.uses(name)]:
        why = f"system {config.system} does not compute {', '.join(idle)}"
        raise ConfigError("weights on terms that nobody computes", where="weights", why=why, fix="set them to 0")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        generator = first_generator(config)
        networks = {"generator": generator, **system_of(config.system).fresh(config, generator)}
    networks = {name: on(network, device) for name, network in networks.items()}
    average = deepcopy(networks["generator"]).eval().requires_grad_(False)
    optimisers: dict[str, torch.optim.Optimizer] = {
        name: torch.optim.Adam(learning, lr=config.learning_rate, betas=config.betas)
        for name, network in networks.items()
        if (learning := [parameter for parameter in network.parameters() if parameter.requires_grad])
    }
    return State(networks, average, optimisers, seed)


def first_generator(config: TrainConfig) -> nn.Module:
    """The generator before the first step; torch's current seed draws what does not come from `start`."""
    network, settings = network_of(config)
    generator = generators.build(network, settings).train()
    if config.start:
        start_from(generator, network, model_place(config.start))
    return generator


def on(network: nn.Module, device: torch.device) -> nn.Module:
    """On the device, in the memory order that convolutions are fast in; batch norm looks at all processes."""
    network = distributed.synced(network) if distributed.several() else network
    for module in network.modules():
        if isinstance(module, nn.InstanceNorm2d):
            module.register_forward_hook(with_plain_gradient)
    return network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def with_plain_gradient(norm: nn.Module, given: object, result: Tensor) -> None:
    """A forward hook: the gradient of the result reaches the norm in contiguous memory.

    On the CPU torch 2.13 reads a channels_last gradient of instance norm in the wrong order where the batch is one
    picture. A hook of the training changes neither results nor weights, and exporters never see it.
    """
    if result.requires_grad:
        result.register_hook(Tensor.contiguous)  # type: ignore[no-untyped-call]
