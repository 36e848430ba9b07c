"""Sends damaged videos down every road into the package, and says what became of them.

python scripts/fuzz.py --mutants 2000 --out fuzz.jsonl
python scripts/fuzz.py --sources FOLDER --mutants 20000 --out fuzz.jsonl

A line of the log is a mutant, known by its file and number; what is in the log is not done again.
Exits with 1 if a mutant did what none may: see `tests/fuzzing.py`.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from fuzzing import Judge, Verdict
from mutants import write_sources


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mutants", type=int, default=2000, help="in all, of all files in turn")
    parser.add_argument(
        "--sources", type=Path, help="a folder of videos; none: small ones are made"
    )
    parser.add_argument("--largest", type=int, default=200_000, help="bytes of a source")
    parser.add_argument("--out", type=Path, required=True, help="the log, JSON lines")
    options = parser.parse_args()
    if options.mutants < 1:
        parser.error("--mutants: give 1 or more")
    with tempfile.TemporaryDirectory() as made:
        if options.sources is None:
            write_sources(Path(made))
        sources = options.sources or Path(made)
        files = sorted(path for path in sources.rglob("*.*") if path.is_file())
        names = [
            str(path.relative_to(sources))
            for path in files
            if path.stat().st_size <= options.largest
        ]
        if not names:
            parser.error(f"{sources} has no files of up to {options.largest} bytes")
        judge_all(sources, names, mutants=options.mutants, out=options.out)
    return report(options.out)


def judge_all(sources: Path, names: list[str], *, mutants: int, out: Path) -> None:
    """Adds to the log whatever it lacks."""
    done = {(verdict.name, verdict.seed) for verdict in verdicts(out)}
    with Judge(sources) as judge, out.open("ab") as log:
        log.truncate(end_of_lines(out))
        for number in range(mutants):
            name, seed = names[number % len(names)], number // len(names)
            if (name, seed) not in done:
                verdict = judge(name, seed)
                log.write(json.dumps(asdict(verdict)).encode() + b"\n")
                log.flush()
                if verdict.faults:
                    print(verdict, flush=True)


def verdicts(log: Path) -> list[Verdict]:
    """What the log holds so far; a last line that a kill cut short is not looked at."""
    text = log.read_text(encoding="utf-8") if log.exists() else ""
    return [Verdict(**json.loads(line)) for line in text.split("\n")[:-1]]


def end_of_lines(log: Path) -> int:
    """Bytes of the lines that are whole."""
    return log.read_bytes().rfind(b"\n") + 1


def report(log: Path) -> int:
    """Says what became of all mutants in the log; 1 if one did what none may."""
    every = verdicts(log)
    guilty = [verdict for verdict in every if verdict.faults]
    print(
        f"{len(every)} mutants of {len({v.name for v in every})} files, {len(guilty)} with faults"
    )
    for road in every[0].ends:
        ends = Counter("frames" if v.ends.get(road) == "frames" else "refused" for v in every)
        print(f"  {road}: {dict(ends)}")
    # A header may lead behind all that a file system can seek; a tar can be told to go there.
    other = sum(v.ends.get("decode") != v.ends.get("member") for v in every)
    print(f"  {other} end otherwise out of a tar")
    slow, large = max(every, key=lambda v: v.seconds), max(every, key=lambda v: v.taken_mib)
    print(f"  slowest {slow.seconds:.1f} s: {slow.name} {slow.seed}")
    print(f"  most memory {large.taken_mib} MiB: {large.name} {large.seed}")
    kept = [verdict.resident_mib for verdict in every if verdict.resident_mib]
    quarter = max(1, len(kept) // 4)
    first, last = (sum(part) / quarter for part in (kept[:quarter], kept[-quarter:]))
    print(f"  resident, first quarter {first:.0f} MiB, last {last:.0f} MiB")
    return 1 if guilty else 0


if __name__ == "__main__":
    sys.exit(main())
