"""What this machine has, what is broken, and how to mend it.

Every check is a function without arguments that returns findings and prints nothing. Importing this
module imports neither torch nor anything that needs it, so that it can speak where they are broken.
"""

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from stillmotion.errors import StillmotionError
from stillmotion.version import __version__

State = Literal["ok", "note", "problem"]
"""Fine; worth knowing; stillmotion, or a part of it, does not run until this is mended."""

STYLES: dict[State, str] = {"ok": "green", "note": "yellow", "problem": "bold red"}
MODULES = {"pillow": "PIL", "pyyaml": "yaml"}
"""Packages that are imported under another name."""
GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    state: State
    found: str
    fix: str = ""
    """What to do; empty where there is nothing to do."""


def run(arguments: Sequence[str]) -> int:
    """The command: print the findings; 0 where stillmotion can be used, else 2."""
    parser = argparse.ArgumentParser(prog="stillmotion doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    options = parser.parse_args(arguments)
    findings = diagnose()
    if options.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        report(findings)
    return 0 if usable(findings) else 2


def diagnose() -> list[Finding]:
    """Everything, in the order in which one would look. Takes seconds: it imports what there is."""
    checks = (interpreter, packages, devices, triton, decoders, processors, methods, storage, hub)
    return [finding for check in checks for finding in check()]


def usable(findings: Iterable[Finding]) -> bool:
    """Whether nothing has to be mended first."""
    return all(finding.state != "problem" for finding in findings)


def report(findings: Iterable[Finding], console: Console | None = None) -> None:
    """Print a table, and one sentence that says whether stillmotion can be used."""
    findings = list(findings)
    table = Table(show_header=False, box=None, padding=(0, 1))
    for finding in findings:
        found = Text(finding.found)
        if finding.fix:
            found.append(f"\n-> {finding.fix}", style="bold")
        table.add_row(Text(finding.state, style=STYLES[finding.state]), finding.subject, found)
    console = console or Console()
    console.print(table)
    console.print(
        "stillmotion can be used here."
        if usable(findings)
        else "stillmotion cannot be used fully until the problems are mended.",
        style="bold",
    )


def interpreter() -> Iterator[Finding]:
    """Python, the system, and this package."""
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    fits = sys.version_info >= (3, 11)
    yield Finding(
        subject="python",
        state="ok" if fits else "problem",
        found=found,
        fix="" if fits else "install Python 3.11 or later",
    )
    yield Finding(subject="stillmotion", state="ok", found=__version__)


def packages() -> Iterator[Finding]:
    """Every package that stillmotion asks for: there, new enough, and importable."""
    from packaging.requirements import Requirement

    for line in importlib.metadata.requires("stillmotion") or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield package(requirement.name, str(requirement.specifier))


def package(name: str, wanted: str) -> Finding:
    """One package: its version, or why it cannot be used.

    Args:
        name: of the distribution.
        wanted: versions that do, such as ``>=2.8``.
    """
    from packaging.specifiers import SpecifierSet

    install = f"pip install --upgrade '{name}{wanted}'"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(subject=name, state="problem", found="not installed", fix=install)
    if not SpecifierSet(wanted).contains(version, prereleases=True):
        found = f"{version}, but {wanted} is needed"
        return Finding(subject=name, state="problem", found=found, fix=install)
    if (failure := failure_of(name)) is not None:
        found = f"{version} is installed but cannot be imported: {failure}"
        return Finding(subject=name, state="problem", found=found, fix=remedy(name, failure))
    return Finding(subject=name, state="ok", found=version)


def failure_of(name: str) -> str | None:
    """The last line of the error that importing a package raises; None where it imports."""
    try:
        importlib.import_module(MODULES.get(name, name.replace("-", "_")))
    except Exception as error:  # a broken package may raise anything
        lines = str(error).strip().splitlines() or [""]
        return f"{type(error).__name__}: {lines[-1]}"
    return None


def remedy(name: str, failure: str) -> str:
    """What to do about a package that is there but does not import."""
    if "torchvision::" in failure or name == "torchvision":
        return (
            "torch and torchvision must be built for each other: install both in one command and "
            "from one place: pip install --upgrade --force-reinstall torch torchvision"
        )
    return f"pip install --upgrade --force-reinstall {name}"


def torch_or_none() -> ModuleType | None:
    """torch, where it imports; where it does not, `packages` has said so."""
    return importlib.import_module("torch") if failure_of("torch") is None else None


def devices() -> Iterator[Finding]:
    """GPUs."""
    if (torch := torch_or_none()) is None:
        return
    for number in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(number)
        found = f"{device.name}, {device.total_memory / GIB:.0f} GiB"
        yield Finding(subject=f"GPU {number}", state="ok", found=found)
    if torch.cuda.device_count():
        return
    if torch.backends.mps.is_available():
        yield Finding(subject="GPU", state="ok", found="Apple MPS")
        return
    found = "none: everything runs on the processor, training takes longer"
    fix = ""
    if torch.version.cuda and shutil.which("nvidia-smi"):
        found = f"torch is built for CUDA {torch.version.cuda} but sees none of this machine's GPUs"
        fix = "compare `nvidia-smi` with that CUDA version; update the driver, or reinstall torch"
    yield Finding(subject="GPU", state="note" if fix else "ok", found=found, fix=fix)


def triton() -> Iterator[Finding]:
    """The compiler of fused kernels, which matters where there is a GPU."""
    if (torch := torch_or_none()) is None:
        return
    failure, gpus = failure_of("triton"), torch.cuda.device_count()
    found = f"not usable ({failure}): plain kernels are used" if failure else "loads"
    yield Finding(
        subject="triton",
        state="note" if failure and gpus else "ok",
        found=found if gpus else f"{found}; it is used on a GPU only",
        fix="pip install triton" if failure and gpus else "",
    )


def decoders() -> Iterator[Finding]:
    """Libraries that decode videos, by loading them."""
    if failure_of("torch") or failure_of("torchvision") or failure_of("av"):
        return
    from stillmotion.data.video import available_decoders

    for name, state in available_decoders().items():
        yield Finding(subject=f"decoder {name}", state="ok", found=state)


def processors() -> Iterator[Finding]:
    """Cores that this process may use, and torch's threads."""
    may_use = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))
    cores = len(may_use(0))
    torch = torch_or_none()
    threads = torch.get_num_threads() if torch else 0
    crowded = threads > cores
    yield Finding(
        subject="processor",
        state="note" if crowded else "ok",
        found=f"{cores} cores" + (f", torch uses {threads} threads" if torch else ""),
        fix=f"more threads than cores slow each other down: OMP_NUM_THREADS={cores}"
        if crowded
        else "",
    )


def methods() -> Iterator[Finding]:
    """Whether methods from outside the package can be loaded."""
    try:
        known = importlib.import_module("stillmotion.methods").METHODS
    except StillmotionError as error:
        fix = "mend the file, or unset the variable"
        yield Finding(subject="methods", state="problem", found=str(error), fix=fix)
    except Exception:  # a package that is broken, which has a finding of its own
        return
    else:
        yield Finding(subject="methods", state="ok", found=", ".join(sorted(known)))


def storage() -> Iterator[Finding]:
    """Free disk here and where image models are kept; shared memory for data workers."""
    yield free_space("disk here", Path.cwd(), least=1 * GIB, fix="free some space")
    if (cache := hub_cache()) is not None:
        yield free_space("disk of image models", cache, least=2 * GIB, fix="set HF_HOME elsewhere")
    shared_memory = Path("/dev/shm")
    if shared_memory.is_dir():
        fix = "in a container: --shm-size=8g; or train with --videos.workers 0"
        yield free_space("shared memory", shared_memory, least=GIB, fix=fix)


def free_space(subject: str, path: Path, *, least: int, fix: str) -> Finding:
    """Free bytes at a path, or at the nearest directory above it that exists."""
    there = next(p for p in (path, *path.parents) if p.exists())
    free = shutil.disk_usage(there).free
    low = free < least
    found = f"{free / GIB:.1f} GiB free at {there}"
    return Finding(
        subject=subject, state="note" if low else "ok", found=found, fix=fix if low else ""
    )


def hub_cache() -> Path | None:
    """Where image models are kept; None where the hub's library does not import."""
    if failure_of("huggingface_hub"):
        return None
    return Path(importlib.import_module("huggingface_hub.constants").HF_HUB_CACHE)


def hub() -> Iterator[Finding]:
    """Whether image models may be downloaded."""
    if (cache := hub_cache()) is None:
        return
    kept = len(list(cache.glob("models--*"))) if cache.is_dir() else 0
    offline = importlib.import_module("huggingface_hub.constants").HF_HUB_OFFLINE
    yield Finding(
        subject="image models",
        state="note" if offline else "ok",
        found=f"{kept} kept; " + ("offline" if offline else "others are downloaded when needed"),
        fix="to download, unset HF_HUB_OFFLINE; or give files: --weights PATH" if offline else "",
    )
