"""The command line: `genesis COMMAND ...`. Heavy imports stay inside the commands, so that help is instant."""

import os
import sys
from collections.abc import Callable

from modelsgenesis.cli.arguments import Arguments
from modelsgenesis.cli.results import embed, evaluate, predict, report
from modelsgenesis.cli.scans import info, phantom, prepare
from modelsgenesis.cli.training import benchmark, demo, finetune, pretrain
from modelsgenesis.cli.weights import weights
from modelsgenesis.errors import GenesisError, UsageError, meant
from modelsgenesis.files import readable


def main(arguments: Arguments | None = None) -> None:
    """Run one command and exit: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may hold what the terminal cannot show
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    try:
        sys.exit(_dispatch(given))
    except GenesisError as error:
        _explain(str(error), debug)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("genesis: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # who reads the output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it exits
        sys.exit(1)
    except OSError as error:
        _explain(f"{_file_of(error)}{error.strerror or error}; check the path, its rights and the disk", debug)
        sys.exit(1)
    except Exception as error:
        _explain(f"unexpected {type(error).__name__}: {error} (--debug shows where; please report it)", debug)
        sys.exit(1)


def _file_of(error: OSError) -> str:
    """The file that the system refused, for a message, on a line that can be read; "" when it names none."""
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    return f"{name[:100]}...{name[-50:]}: " if len(name) > 200 else f"{name}: " if name else ""


def _explain(message: str, debug: bool) -> None:
    if debug:
        import traceback

        traceback.print_exc()
    print(f"genesis: error: {readable(message)}", file=sys.stderr)


def _dispatch(given: Arguments) -> int:
    if not given or given[0] in ("-h", "--help"):
        print(_overview())
        return 0
    if given[0] in ("-V", "--version"):
        from importlib.metadata import version

        print(f"genesis {version('modelsgenesis')}")
        return 0
    name, *rest = given
    if name not in COMMANDS:
        raise UsageError(f"unknown command {name!r}; {meant(name, COMMANDS)}valid: {', '.join(COMMANDS)} (--help)")
    from modelsgenesis.data.guarded import guarding

    with guarding():
        COMMANDS[name](rest)
    return 0


def _overview() -> str:
    lines = [f"  {name:<10} {(command.__doc__ or '').splitlines()[0]}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: genesis COMMAND ... [--debug]",
            "",
            "Self-supervised pre-training of medical image networks by restoring distorted cubes (Models Genesis).",
            "",
            *lines,
            "",
            "genesis COMMAND --help explains a command, with an example. Start with: genesis demo",
        ]
    )


COMMANDS: dict[str, Callable[[Arguments], None]] = {
    command.__name__: command
    for command in (
        demo,
        prepare,
        pretrain,
        finetune,
        predict,
        embed,
        evaluate,
        benchmark,
        report,
        weights,
        phantom,
        info,
    )
}
