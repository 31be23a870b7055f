"""The runtimes, one file each: `openvino.py` is the backend `openvino`.

Each file has
    ENDING             the ending of the file the papers lie beside, e.g. `.xml`
    precisions()       what it can build and compare on this machine, best first
    build(module, precision) -> {ending: bytes}     a float32 torch network in, the payload out; may import torch
    start(files, spec) -> Engine                    checked bytes and papers in; without torch if it can
    versions() -> {package: version}                what the papers name under built_with

Importing a backend imports no runtime: that happens in build and start, which raise BackendMissing without it.
"""
