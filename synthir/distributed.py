"""Several processes that train one network, as `torchrun` starts them: each takes its part of every batch.

Without torchrun there is one process and everything here is a no-op. Gradients, loss values and the statistics of batch
norm are averaged over the processes, so that the result is that of one process with the whole batch, but for what is
drawn or remembered picture by picture, which each process does for its own part: dropout (pix2pix, cgan_unet), the
mixtures of wgan-gp, and the pool of system cycle once it is full.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.distributed as dist
import torch.distributed.nn.functional as differentiable
from torch import Tensor, nn

from .errors import TrainingError


class Part(NamedTuple):
    """Which of how many processes this one is."""

    rank: int
    total: int


def started(environment: Mapping[str, str]) -> Part:
    """The process that torchrun's environment describes; the only one without torchrun."""
    total = int(environment.get("WORLD_SIZE", "1"))
    return Part(int(environment["RANK"]), total) if total > 1 else Part(0, 1)


def own_device(device: torch.device, environment: Mapping[str, str], gpus: int) -> torch.device:
    """The device of this process: of several on one machine with that many GPUs, each takes the one of its number.

    Raises TrainingError where there is no GPU of its own.
    """
    if device.type != "cuda" or started(environment).total == 1:
        return device
    beside, number = int(environment["LOCAL_WORLD_SIZE"]), int(environment["LOCAL_RANK"])
    chosen = device != torch.device("cuda")  # the user named one
    if chosen and beside > 1:
        why = f"{beside} processes on this machine would share it"
        raise TrainingError("one GPU for several processes", where=str(device), why=why, fix="--device cuda")
    if not chosen and number >= gpus:
        why = f"{beside} processes on this machine, GPUs {gpus}"
        fix = f"torchrun --nproc-per-node {gpus}, or --device cpu"
        raise TrainingError("no GPU for this process", where=f"cuda:{number}", why=why, fix=fix)
    return device if chosen else torch.device("cuda", number)


def backend(device: torch.device) -> str:
    """What connects processes on a device; gradients lie on it, loss values and flags always on the CPU."""
    return "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"


@contextmanager
def processes(device: torch.device) -> Iterator[Part]:
    """This process among those that torchrun started, connected to them; the only one without torchrun."""
    part = started(os.environ)
    if part.total == 1:
        yield part
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group(backend(device))
    try:
        yield part
    finally:
        dist.destroy_process_group()


def several() -> bool:
    """Whether other processes train with this one."""
    return dist.is_available() and dist.is_initialized()


def average_gradients(module: nn.Module) -> None:
    """Replace each gradient by its mean over the processes."""
    if several():
        for parameter in module.parameters():
            if parameter.grad is not None:
                parameter.grad.copy_(mean(parameter.grad))


def average_values(values: Mapping[str, float]) -> dict[str, float]:
    """Each value's mean over the processes."""
    if not several() or not values:
        return dict(values)
    return dict(zip(values, mean(torch.tensor(list(values.values()), dtype=torch.float64)).tolist(), strict=True))


def mean(value: Tensor) -> Tensor:
    """The mean of a tensor over the processes; not trained through."""
    total = value.clone()
    dist.all_reduce(total)
    return total / float(dist.get_world_size())


def any_of(flag: bool) -> bool:
    """Whether it is so in any of the processes, the same answer in all."""
    return any(average_values({"flag": float(flag)}).values())


def wait() -> None:
    """Until all processes are here."""
    if several():
        dist.barrier()


class SyncedBatchNorm(nn.BatchNorm2d):
    """Batch norm whose training statistics are those of all processes; on any device, unlike torch's own."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) normalised channel by channel."""
        if not (self.training and several()):
            return super().forward(input)
        x = input.float()
        count = dist.get_world_size()
        average = differentiable.all_reduce(x.mean((0, 2, 3))) / count  # type: ignore[no-untyped-call]
        square = differentiable.all_reduce(x.square().mean((0, 2, 3))) / count  # type: ignore[no-untyped-call]
        variance = square - average.square()
        self.remember(average.detach(), variance.detach(), x.numel() // x.shape[1] * count)
        scaled = (x - average[:, None, None]) * (variance[:, None, None] + self.eps).rsqrt()
        result: Tensor = (scaled * self.weight[:, None, None] + self.bias[:, None, None]).to(input.dtype)
        return result

    def remember(self, average: Tensor, variance: Tensor, pixels: int) -> None:
        """Move the running statistics as torch does: the unbiased variance, by `momentum`."""
        if self.running_mean is None or self.running_var is None or self.momentum is None:
            return
        self.running_mean.lerp_(average, self.momentum)
        self.running_var.lerp_(variance * pixels / max(1, pixels - 1), self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)


def synced(module: nn.Module) -> nn.Module:
    """Replace every BatchNorm2d inside by one that looks at all processes; names of weights stay."""
    for name, child in module.named_children():
        if type(child) is nn.BatchNorm2d:
            new = SyncedBatchNorm(child.num_features, child.eps, child.momentum, child.affine)
            new.load_state_dict(child.state_dict())
            setattr(module, name, new)
        else:
            synced(child)
    return module
