"""A folder of Python files as a list of names: `formats/coco.py` is the format `coco`.

Adding a format, backend or generator is adding a file; nothing is registered anywhere.
"""

import difflib
import importlib
import importlib.util
import pkgutil
from types import ModuleType

from .errors import UnknownName


def names(package: str) -> tuple[str, ...]:
    """The names in a package folder, e.g. `synthir.formats`, sorted; nothing in it is imported.

    Files that begin with `_` are no names. Raises UnknownName where there is no such package.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise UnknownName(f"no package {package!r}", fix="check the installation: synthir checks")
    found = (module.name for module in pkgutil.iter_modules(spec.submodule_search_locations))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def load(package: str, name: str) -> ModuleType:
    """The module of that name in a package folder. Raises UnknownName with the known names and the nearest one."""
    known = names(package)
    if name in known:
        return importlib.import_module(f"{package}.{name}")
    kind = package.rpartition(".")[2].removesuffix("s")
    near = difflib.get_close_matches(name, known, n=1)
    fix = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(known)}"
    raise UnknownName(f"no {kind} is named {name!r}", why=f"known are {', '.join(known)}", fix=fix)
