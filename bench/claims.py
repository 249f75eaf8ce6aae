"""Measure every figure that the project claims, and say which fall short.

`claims.toml` lists them: id, sentence, the command that measures, the name of the value in the JSON line that the command
prints last, and the bar. Claims that share a command are measured in one run.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Claim:
    """One figure: where it is measured and what it must reach."""

    id: str
    sentence: str
    command: str
    value: str
    bar: str
    behind: str
    minutes: float

    def holds(self, measured: float) -> bool:
        """Compare with the bar, which is `>= x` or `<= x`; NaN never holds."""
        sign, limit = self.bar.split()
        return measured >= float(limit) if sign == ">=" else measured <= float(limit)


def load(path: Path = HERE / "claims.toml") -> list[Claim]:
    """Read the list."""
    return [Claim(**entry) for entry in tomllib.loads(path.read_text())["claim"]]


def measure(command: str) -> dict[str, float]:
    """Run a measuring command from the repository's root and read the JSON object on its last line."""
    words = [sys.executable if word == "python" else word for word in shlex.split(command)]
    done = subprocess.run(words, cwd=HERE.parent, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{command} failed with exit code {done.returncode}:\n{done.stderr[-2000:]}", file=sys.stderr)
        return {}
    values: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return values


def main() -> int:
    """Run the chosen claims; exit code 1 if one falls short or could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="run the claims whose id begins so")
    chosen = [c for c in load() if c.id.startswith(parser.parse_args().only)]
    if not chosen:
        print("no claim has such an id; see bench/claims.toml", file=sys.stderr)
        return 2
    total = sum({c.command: c.minutes for c in chosen}.values())
    print(f"{len(chosen)} claims, about {total:.0f} minutes")
    short = 0
    for command in dict.fromkeys(c.command for c in chosen):
        values = measure(command)
        for claim in (c for c in chosen if c.command == command):
            measured = values.get(claim.value, float("nan"))
            ok = claim.holds(measured)
            short += not ok
            print(
                f"{'holds ' if ok else 'SHORT '} {claim.id:34} {measured:12.5g}  {claim.bar:10}  {claim.behind}: {claim.sentence}",
                flush=True,
            )
    print(f"{len(chosen) - short} hold, {short} fall short")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
