"""Whether a weakness is known of a package that is installed here; exit status 1 where one is.

python scripts/audit.py

pip-audit asks the advisory service of the Open Source Vulnerabilities project. Where that cannot be
reached, nothing is known, which is said, and the exit status is 0: a build without a network
passes. Any other failure of pip-audit is one of ours.
"""

import json
import re
import subprocess
import sys
from typing import Any

import pip_audit  # noqa: F401 - without it nothing is asked, which is no success

PATIENCE = "15"
"""Seconds for an answer."""
UNANSWERED = (
    r"^requests\.exceptions\.(ConnectionError|ProxyError|ReadTimeout)|:Could not connect to "
)
"""How pip-audit ends where the service cannot be reached: two ways, one of them its own."""


def main(*options: str) -> int:
    """Print a line for each weakness, or why none can be known; the exit status.

    Args:
        options: of pip-audit, beside what it is always told.
    """
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service=osv", "--format=json"]
    command += ["--progress-spinner=off", "--skip-editable", "--timeout", PATIENCE, *options]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if not asked.stdout:
        return unanswered(asked.stderr, asked.returncode)
    packages = json.loads(asked.stdout)["dependencies"]
    weak = weaknesses(packages)
    print(*weak, sep="\n", end="\n" if weak else "")
    passed_over = sum("skip_reason" in package for package in packages)
    print(f"{len(packages)} packages, {passed_over} not looked at, {len(weak)} known weaknesses")
    return 1 if weak else 0


def unanswered(told: str, status: int) -> int:
    """Say why nothing is known; the exit status, which is 0 for a service out of reach alone.

    Args:
        told: what pip-audit wrote to its standard error.
        status: its exit status.
    """
    if status and re.search(UNANSWERED, told, re.MULTILINE):
        print("the advisory service did not answer: no weakness can be known")
        return 0
    print(told or "pip-audit said nothing", file=sys.stderr)
    return status or 1


def weaknesses(packages: list[dict[str, Any]]) -> list[str]:
    """A line for each: the package, the weakness, and the version that is mended."""
    return [
        f"{package['name']} {package['version']}: {known['id']}, "
        f"mended in {', '.join(known['fix_versions']) or 'no version yet'}"
        for package in packages
        for known in package.get("vulns", [])
    ]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
