"""What to say where a package of an extra is not installed: torch, which converting does without."""

from .errors import BackendMissing


def missing(error: ModuleNotFoundError) -> BackendMissing:
    """The error a person can act on, made of the one Python raises at an import."""
    package = (error.name or "a package").partition(".")[0]
    why = "converting does without it; compiling, training and evaluating do not"
    fix = 'pip install ".[train]" in the checkout; on a machine without GPU add -c constraints-cpu.txt'
    return BackendMissing(f"{package} is not installed", why=why, fix=fix)
