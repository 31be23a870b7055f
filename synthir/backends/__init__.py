"""The runtimes, one file each: `openvino.py` is the backend `openvino`.

Each file has
    ENDINGS            of its files, e.g. `.xml` and `.bin`; the papers lie beside the first
    PIXELS             whether its engines give grey levels; else they give float32 in [-1, 1]
    precisions()       what it can build and compare on this machine, best first
    build(module, stride, precision, profile, ranges) -> {ending: bytes}     a float32 torch network in, the payload
                       out, for the sizes that its papers will name: ranges is what they call `profile`
    start(files, spec) -> Engine                    checked bytes and papers in; without torch if it can
    versions(profile) -> {package: version}         what the papers name under built_with: what else an engine is bound
                       to is there, too, e.g. its GPU

Files whose names begin with `_` belong to one of them. Importing a backend imports no runtime: that happens in build
and start, which raise BackendMissing without it.
"""
