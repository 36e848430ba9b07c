"""The command line: find the command, run it, turn errors into one line and an exit status.

0: done. 2: a mistake that the user can mend, said in one line. 1: a fault of ours, with its
traceback. 130: stopped by Ctrl-C. 143: by SIGTERM. Nothing heavy is imported before a command is
known.
"""

import argparse
import contextlib
import errno
import importlib
import logging
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from stillmotion import processes
from stillmotion.errors import ProblemsError, StillmotionError, unknown
from stillmotion.version import __version__

if TYPE_CHECKING:
    from rich.table import Table


class Command(NamedTuple):
    """What a command does, in a few words, and the module whose ``run(arguments)`` does it."""

    what: str
    module: str


COMMANDS = {
    "demo": Command(
        "make videos, train on them, and show what was learned, in two to four minutes",
        "stillmotion.commands.demo",
    ),
    "doctor": Command(
        "say what this machine has, what is broken, and how to mend it",
        "stillmotion.doctor",  # needs nothing that could be broken
    ),
    "check": Command(
        "read every video of a data set, report what is wrong, propose a split",
        "stillmotion.commands.check",
    ),
    "prepare": Command(
        "make one manifest of a known data set: Kinetics, Something-Something, UCF101, ...",
        "stillmotion.commands.prepare",
    ),
    "shard": Command(
        "pack videos into tars, for data sets too large to read file by file",
        "stillmotion.commands.shard",
    ),
    "recipes": Command(
        "list, show and copy the published settings of every method",
        "stillmotion.commands.recipes",
    ),
    "train": Command("teach an image model your videos", "stillmotion.commands.train"),
    "repeat": Command(
        "train over several seeds, episodes, folds or splits, and give the mean",
        "stillmotion.commands.repeat",
    ),
    "evaluate": Command(
        "score a trained model, and see whether it uses time",
        "stillmotion.commands.evaluate",
    ),
    "compare": Command(
        "say whether trained models differ on the same videos, and what they score together",
        "stillmotion.commands.compare",
    ),
    "calibrate": Command(
        "choose how sure a model must be before it names a class",
        "stillmotion.commands.calibrate",
    ),
    "predict": Command("say what happens in videos", "stillmotion.commands.predict"),
    "show": Command(
        "picture what an answer rests on: flow, attention, the frames that count",
        "stillmotion.commands.show",
    ),
    "timeline": Command(
        "say what happens when in long videos, and score it",
        "stillmotion.commands.timeline",
    ),
    "watch": Command(
        "say what happens before a camera, on a stream, or in a file as it plays",
        "stillmotion.commands.watch",
    ),
    "serve": Command(
        "a page and a service that say what happens in videos, and when",
        "stillmotion.commands.serve",
    ),
    "merge": Command(
        "fold a trained model's adapters into its image model",
        "stillmotion.commands.merge",
    ),
    "import": Command(
        "make a run of a checkpoint that a method's authors published",
        "stillmotion.commands.importing",
    ),
    "export": Command(
        "write a trained model in a form that others read",
        "stillmotion.commands.exporting",
    ),
    "push": Command(
        "put a trained model on the Hugging Face hub, with its model card",
        "stillmotion.commands.push",
    ),
    "info": Command(
        "count the parameters and multiply-adds of any backbone with any method",
        "stillmotion.commands.info",
    ),
}
"""Every command, in the order of --help."""

OPTIONS = ("-h", "--help", "--version")
"""What may stand in the place of a command."""

USERS_ERRORS = {
    getattr(errno, name)
    for name in ("EACCES", "EDQUOT", "EEXIST", "EFBIG", "EISDIR", "ENOSPC", "ENOTDIR", "EROFS")
    if hasattr(errno, name)  # not every system has each
}
"""Why a file cannot be written, where the user can mend it."""

EPILOG = """\
Each command explains itself: stillmotion train --help
Options take dashes for underscores: --image-size is --image_size

  stillmotion demo                                 a first look, nothing needed
  stillmotion check videos/                        is my data fit to train on?
  stillmotion train videos/ --out runs/first       videos/ holds a folder for each class
  stillmotion predict runs/first new.mp4
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = arguments[0] if arguments else "--help"
    if command in OPTIONS:
        top_parser().parse_args([command])
        return 0
    if command.startswith("-"):
        return refuse(unknown("option", command, OPTIONS))
    if command not in COMMANDS:
        return refuse(unknown("command", command, COMMANDS))
    least = logging.WARNING if processes.is_main() else logging.ERROR
    logging.basicConfig(format="%(message)s", level=least)
    try:
        with ending_on_sigterm():
            status = importlib.import_module(COMMANDS[command].module).run(arguments[1:])
        sys.stdout.flush()
        return status
    except ProblemsError as error:
        return show_problems(error)
    except BrokenPipeError:  # whoever read our output, such as `head`, has seen enough
        drop_output()
        return 0
    except KeyboardInterrupt:
        if processes.is_main():
            print("\nstopped", file=sys.stderr)
        return 130
    except Exception as error:
        message = mendable(error)
        if message is not None:
            drop_output()
            return fail(message)
        processes.first_to_tell()  # by the traceback
        raise


def drop_output() -> None:
    """What standard output holds and cannot be rid of goes nowhere: Python tries again at its end,
    and then complains in its own way."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Meanwhile SIGTERM ends the process as an exception does, so that half a file is removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def mendable(error: Exception) -> str | None:
    """What the user is told; None: it is a fault of ours."""
    if isinstance(error, StillmotionError):
        return str(error)
    if isinstance(error, OSError) and error.errno in USERS_ERRORS:
        where = f" {error.filename}" if error.filename else ""
        return f"cannot write{where}: {error.strerror}"
    if isinstance(error, RuntimeError) and processes.is_loss(error):
        return processes.LOST
    return None


def fail(message: str, *tables: "Table") -> int:
    """One line for the user, on standard error, below tables; of several processes one says it."""
    if processes.first_to_tell():
        if tables:
            from rich.console import Console

            Console(stderr=True).print(*tables)
        tell(message)
    return 2


def refuse(message: str) -> int:
    """The same of no command at all, which every process was given: none waits for the others."""
    if processes.is_main():
        tell(message)
    return 2


def tell(message: str) -> None:
    """One line for the user."""
    line = " ".join(part.strip() for part in message.splitlines())
    print(f"stillmotion: {line}", file=sys.stderr)


def show_problems(error: ProblemsError) -> int:
    """All that is wrong with a data set, kind by kind, on standard error."""
    if len(error.problems) == 1:
        return fail(str(error))
    from stillmotion.data.problem_tables import problem_tables

    kinds = Counter(problem.kind for problem in error.problems)
    listed = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common())
    message = f"{error.source}: nothing was begun, mend this first: {listed}"
    return fail(message, *problem_tables(error.problems))


def top_parser() -> argparse.ArgumentParser:
    """What `stillmotion --help` and `--version` know."""
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:{width}}  {command.what}" for name, command in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="stillmotion",
        usage="stillmotion COMMAND ...",
        description=f"Teach a still-image model to see motion.\n\ncommands:\n{listed}",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"stillmotion {__version__}")
    return parser
