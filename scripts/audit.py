"""Whether a weakness is known of a package that is installed here; exit status 1 where one is.

python scripts/audit.py

pip-audit asks the advisory service of the Open Source Vulnerabilities project. Where that cannot be
asked, nothing is known, which is said, and the exit status is 0: a build without a network passes.
"""

import json
import subprocess
import sys
from typing import Any

import pip_audit  # noqa: F401 - without it nothing is asked, which is no success

PATIENCE = "15"
"""Seconds for an answer."""


def main(*options: str) -> int:
    """Print a line for each weakness, or why none can be known; the exit status.

    Args:
        options: of pip-audit, beside what it is always told.
    """
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service=osv", "--format=json"]
    command += ["--progress-spinner=off", "--skip-editable", "--timeout", PATIENCE, *options]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if not asked.stdout:
        reason = asked.stderr.strip().splitlines()[-1].partition(":")[0]
        print(f"the advisory service did not answer ({reason}): no weakness can be known")
        return 0
    packages = json.loads(asked.stdout)["dependencies"]
    weak = weaknesses(packages)
    print(*weak, sep="\n", end="\n" if weak else "")
    passed_over = sum("skip_reason" in package for package in packages)
    print(f"{len(packages)} packages, {passed_over} not looked at, {len(weak)} known weaknesses")
    return 1 if weak else 0


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
