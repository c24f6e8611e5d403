"""Random edits of the files of a plan, with a right checksum: does one load and overflow?

    python benchmarks/plan_files.py --edits 10000

Each edit changes one to three numbers, types, shapes or names in the files of a small random plan,
and writes the checksum anew. What loads recalls hard cues in exact arithmetic, with the width of
every value checked (`hardware.exact`). A refusal has to be a ValueError of one line that names what
it refuses. With --proof the comparison with the network of the plan is left out, so that the ranges
alone decide about whatever is in its domain.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path
from unittest.mock import patch

import numpy as np

import hardware as hw
from hardware import damaged_plans, origin, random_plans


def plan_for(rng: np.random.Generator) -> hw.Plan:
    while True:
        try:
            return random_plans.plan(rng, random_plans.network(rng))
        except hw.RangeError:
            continue


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--edits", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--proof", action="store_true", help="let the proof alone decide")
    args = parser.parse_args()
    counts: Counter[str] = Counter()
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.edits):
            rng = np.random.default_rng([args.seed, number])
            path, what = damaged_plans.edited(rng, plan_for(rng), Path(folder))
            start = time.process_time()
            try:
                with patch.object(
                    origin, "check_origin", (lambda _: None) if args.proof else origin.check_origin
                ):
                    plan = hw.Plan.load(path)
            except ValueError as error:
                counts["refused"] += 1
                reason = str(error).partition("damaged: ")[2]
                if not reason or "\n" in reason:
                    counts["refused without a reason"] += 1
                    print(f"edit {number} ({what}): {error}")
                continue
            finally:
                slowest = max(slowest, time.process_time() - start)
            counts["loaded"] += 1
            overflows = damaged_plans.overflow(rng, plan)
            if overflows:
                counts["overflowed"] += 1
                print(f"edit {number} ({what}): {overflows}")
    print(
        f"{args.edits:,} edits: {counts['refused']:,} refused, "
        f"{counts['refused without a reason']} of them without a reason in one line, "
        f"{counts['loaded']:,} loaded, {counts['overflowed']} overflowed; the slowest took "
        f"{slowest:.2f} s of CPU"
    )


if __name__ == "__main__":
    main()
