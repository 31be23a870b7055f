"""What to say where a package of an extra is not installed: torch, which converting does without."""

from .errors import BackendMissing

RECIPES = ("ultralytics", "pycocotools", "faster_coco_eval")
"""Packages of the extra `recipes`; what else is missing is in `train`."""


def missing(error: ModuleNotFoundError) -> BackendMissing:
    """The error a person can act on, made of the one Python raises at an import."""
    package = (error.name or "a package").partition(".")[0]
    why = "converting does without it; compiling, training and evaluating do not"
    extra = "recipes" if package in RECIPES else "train"
    fix = f'pip install ".[{extra}]" in the checkout; on a machine without GPU add -c constraints-cpu.txt'
    return BackendMissing(f"{package} is not installed", why=why, fix=fix)
