"""Whether a demonstration's report shows what it must; prints the figures, exits with 1 if not.

python scripts/judge_demo.py stillmotion-demo/report.json
"""

import json
import sys
from pathlib import Path


def main(path: str) -> int:
    report = json.loads(Path(path).read_text(encoding="utf-8"))
    amflow, baseline = report["amflow"], report["baseline"]
    demands = {
        "held-out clips, at least 400": (report["n"], report["n"] >= 400),
        "AM Flow top-1, at least 0.90": (amflow["top1"], amflow["top1"] >= 0.90),
        "AM Flow reversed, below half of that": (
            amflow["top1_reversed"],
            amflow["top1_reversed"] < amflow["top1"] / 2,
        ),
        "baseline top-1, at most 0.55": (baseline["top1"], baseline["top1"] <= 0.55),
        "baseline on the shape, at least 0.90": (
            baseline["control_top1"],
            baseline["control_top1"] >= 0.90,
        ),
    }
    for what, (figure, holds) in demands.items():
        print(f"{'ok  ' if holds else 'FAIL'}  {what}: {figure:.4g}")
    print(f"      seconds: {report['seconds']}")
    return 0 if all(holds for _, holds in demands.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
