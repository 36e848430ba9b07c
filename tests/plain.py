"""Python without the shape checker of the tests, which answers before we do and breaks tracing."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path


def run_plain(code: str, *arguments: str, **changes: str) -> str:
    """What a script prints; the tests' own modules can be imported. Fails with its traceback."""
    result = subprocess.run(
        [sys.executable, "-W", "error:::stillmotion", "-c", textwrap.dedent(code), *arguments],
        env=environment(**changes),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def environment(**changes: str) -> dict[str, str]:
    """Of a process that can import the tests' own modules and computes on one core."""
    places = (str(Path(__file__).parent), os.environ.get("PYTHONPATH"))
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, places)),
        "OMP_NUM_THREADS": "1",
        **changes,
    }
