"""The command line: one function a command, here and in the files cli_*. Each reads its options, calls the library and
says what came of it.

Modules are imported inside the commands, so that `synthir --help` is quick and converting never loads torch.
Exit status: 0 done, 1 failed, 2 usage, 3 some refused, 4 not verified, 5 engine, 6 no space, 130 or 143 interrupted.
"""

import dataclasses
import sys
from collections.abc import Sequence

import click

from . import __version__, cli_convert, cli_engines, cli_recipes, cli_training, console
from .cli_engines import JSON
from .errors import SynthIRError
from .extras import missing

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="synthir")
def program() -> None:
    """Turn labelled RGB datasets into labelled synthetic infrared ones."""


@program.group()
def models() -> None:
    """The models that are shipped."""


@models.command("ls")
@JSON
def models_ls(as_json: bool) -> int:
    """List the shipped models."""
    from . import shipped
    from .engine import papers_of
    from .specs import read_engine_spec

    rows = []
    for name in shipped.models():
        try:
            spec = read_engine_spec(papers_of(shipped.engine_payload(name)))
        except SynthIRError as error:
            rows.append((name, *("?",) * 4, str(error)))
            continue
        found = spec.agreement
        agreement = f"{found.worst_psnr_db:.1f} dB or more, mean {found.psnr_db:.1f}" if found else "not compared"
        rows.append((name, spec.band, spec.polarity, spec.backend, spec.precision, agreement))
    head = ("name", "band", "polarity", "backend", "precision", "agreement with float32")
    data = [dict(zip(head, row, strict=True)) for row in rows]
    console.result(as_json, data, console.table([head, *rows]))
    return 0


@models.command("show")
@click.argument("name")
def models_show(name: str) -> int:
    """Print the card of a model: data, numbers, limits, licence."""
    from .shipped import model_folder

    click.echo((model_folder(name) / "README.md").read_text(encoding="utf-8"))
    return 0


@program.command("checks")
@JSON
def checks_(as_json: bool) -> int:
    """Say what is installed and works here, and how to get the rest."""
    from .checks import checks

    found = checks()
    rows = [(c.kind, c.name, "ok" if c.good else "--", c.detail + (f"   {c.fix}" if c.fix else "")) for c in found]
    console.result(as_json, [dataclasses.asdict(check) for check in found], console.table(rows))
    return 0 if all(check.good for check in found if check.needed) else 1


for command in (*cli_convert.COMMANDS, *cli_training.COMMANDS, *cli_engines.COMMANDS, *cli_recipes.COMMANDS):
    program.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit status; errors become one line on stderr."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    with console.terminable(words):
        sys.exit(_status(words))


def _status(words: list[str]) -> int:
    """Run a command and give its exit status."""
    try:
        done: int | None = program.main(words, prog_name="synthir", standalone_mode=False)
        return done or 0
    except click.ClickException as error:
        if "--json" not in words:
            error.show()
        else:
            console.misuse(error)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        console.interrupted(words)
        return INTERRUPTED
    except BrokenPipeError:
        console.silence_stdout()
        return 1
    except ModuleNotFoundError as error:
        absent = missing(error)
        console.failure(absent, "--json" in words)
        return absent.exit_status
    except OSError as error:
        coded = console.coded(error)
        console.failure(coded, "--json" in words)
        return coded.exit_status
    except SynthIRError as error:
        console.failure(error, "--json" in words)
        return error.exit_status
