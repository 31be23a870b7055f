"""The GPU here, as torch sees it; torch comes with every engine that runs on one."""

import re

from .errors import BackendMissing, DeviceMissing


def gpu(purpose: str = "to run the engine on", instead: str = "--engine cascade-lwir-s") -> str:
    """The architecture of the GPU here, e.g. `sm90`. Raises DeviceMissing with what is missing, BackendMissing.

    purpose and instead: what it is wanted for, and the option that goes on without one; for the error.
    """
    try:
        import torch
    except ImportError as error:
        raise BackendMissing("torch is not installed", why=str(error), fix='pip install ".[train]"') from None
    try:
        major, minor = torch.cuda.get_device_capability()
    except (RuntimeError, AssertionError) as error:
        why = " ".join(str(error).split())[:200]
        fix = f"install a driver, or go on with the CPU: {instead}"
        raise DeviceMissing(f"no GPU {purpose}", why=why, fix=fix) from None
    return f"sm{major}{minor}"


def gpu_name() -> str:
    """What the GPU is sold as, fit for a file name, e.g. `nvidia-h200`: GPUs of one architecture differ in speed."""
    import torch

    return re.sub(r"[^a-z0-9]+", "-", torch.cuda.get_device_name().lower()).strip("-")
