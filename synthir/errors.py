"""Every error SynthIR raises, one family.

    SynthIRError                     SIR000  exit 1
    ├── UsageError                   SIR100  exit 2   a call that cannot be meant
    │   ├── UnknownName              SIR101           no such model, format, backend, generator
    │   └── ConfigError              SIR102           every fault of a configuration at once
    ├── DatasetError                 SIR200  exit 1   the labels, seen as a whole
    │   ├── UnrecognisedDataset      SIR201           no format fits, or more than one
    │   ├── BrokenLabels             SIR202           a label file that cannot be read as what it says it is
    │   ├── EscapingPath             SIR203           a name that points outside the images folder
    │   ├── MissingPicture           SIR204           labelled, but not on disk
    │   ├── SizeMismatch             SIR205           declared size is not the size of the picture
    │   ├── NameCollision            SIR206           two pictures would become one file
    │   └── LabelWithoutPicture      SIR207           a label file whose picture is not there
    ├── PictureError                 SIR300  exit 1   one picture; the rest of the job goes on
    │   ├── UnreadablePicture        SIR301           not an image, empty, truncated, corrupt
    │   ├── UnsupportedPicture       SIR302           float samples, several frames, a format not read here
    │   └── OversizedPicture         SIR303           a header that promises more pixels than the limit
    ├── TargetError                  SIR400  exit 1   the folder that is written
    │   ├── TargetNotEmpty           SIR401           something lies there that this job did not write
    │   ├── TargetInsideSource       SIR402           writing there would change the source
    │   ├── JobMismatch              SIR403           a journal of another job lies there
    │   ├── TargetBusy               SIR404           another process is writing there
    │   └── NoSpace                  SIR405  exit 6   the disk is full, or will be
    ├── EngineError                  SIR500  exit 5   the engine
    │   ├── EngineUntrusted          SIR501           no papers, or another sha256
    │   ├── EngineIncompatible       SIR502           another build, backend, shape or polarity
    │   ├── BackendMissing           SIR503           its runtime is not installed here
    │   ├── AgreementFailed          SIR504           too far from the float32 reference
    │   ├── EngineOutput             SIR505           a result that is not finite or not in range
    │   ├── DeviceMissing            SIR506           the GPU it needs, or its driver, is not here
    │   └── EngineFailed             SIR507           it failed on a batch, for want of memory say
    ├── TooManyFailures              SIR600  exit 1   --strict or --max-failures stopped the job
    ├── VerificationFailed           SIR700  exit 4   what lies there is not what the manifest says
    └── TrainingError                SIR800  exit 1   a training that cannot start or cannot go on

Each says what is wrong, where, why, and what to do next, and carries the four as attributes.
`docs/reference/errors.md` explains every code.
"""

from functools import partial
from typing import ClassVar


class SynthIRError(Exception):
    """Something SynthIR cannot do, with the reason and the way on.

    what: the fault in a few words. where: file and place in it. why: the reason. fix: the next step.
    """

    code: ClassVar[str] = "SIR000"
    exit_status: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", why: str = "", fix: str = "") -> None:
        super().__init__(what, where, why, fix)
        self.what, self.where, self.why, self.fix = what, where, why, fix

    def __reduce__(self) -> tuple[partial["SynthIRError"], tuple[str]]:
        """So that it can come back from another process."""
        return partial(type(self), where=self.where, why=self.why, fix=self.fix), (self.what,)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        reason = f" ({self.why})" if self.why else ""
        step = f". Next: {self.fix}" if self.fix else ""
        line = f"{self.code} {place}{self.what}{reason}{step}"
        return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line)


class UsageError(SynthIRError):
    code, exit_status = "SIR100", 2


class UnknownName(UsageError):
    code = "SIR101"


class ConfigError(UsageError):
    code = "SIR102"


class DatasetError(SynthIRError):
    code = "SIR200"


class UnrecognisedDataset(DatasetError):
    code = "SIR201"


class BrokenLabels(DatasetError):
    code = "SIR202"


class EscapingPath(DatasetError):
    code = "SIR203"


class MissingPicture(DatasetError):
    code = "SIR204"


class SizeMismatch(DatasetError):
    code = "SIR205"


class NameCollision(DatasetError):
    code = "SIR206"


class LabelWithoutPicture(DatasetError):
    code = "SIR207"


class PictureError(SynthIRError):
    code = "SIR300"


class UnreadablePicture(PictureError):
    code = "SIR301"


class UnsupportedPicture(PictureError):
    code = "SIR302"


class OversizedPicture(PictureError):
    code = "SIR303"


class TargetError(SynthIRError):
    code = "SIR400"


class TargetNotEmpty(TargetError):
    code = "SIR401"


class TargetInsideSource(TargetError):
    code = "SIR402"


class JobMismatch(TargetError):
    code = "SIR403"


class TargetBusy(TargetError):
    code = "SIR404"


class NoSpace(TargetError):
    code, exit_status = "SIR405", 6


class EngineError(SynthIRError):
    code, exit_status = "SIR500", 5


class EngineUntrusted(EngineError):
    code = "SIR501"


class EngineIncompatible(EngineError):
    code = "SIR502"


class BackendMissing(EngineError):
    code = "SIR503"


class AgreementFailed(EngineError):
    code = "SIR504"


class EngineOutput(EngineError):
    code = "SIR505"


class DeviceMissing(EngineError):
    code = "SIR506"


class EngineFailed(EngineError):
    code = "SIR507"


class TooManyFailures(SynthIRError):
    code = "SIR600"


class VerificationFailed(SynthIRError):
    code, exit_status = "SIR700", 4


class TrainingError(SynthIRError):
    code = "SIR800"
