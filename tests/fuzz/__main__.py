"""A thousand damaged inputs per source through `m3n ingest`: each must end in one clear line or in valid, finite clips.

    python tests/fuzz --inputs 1000 --json fuzz.json

Prints for each source how many inputs became clips (which are simulated too), how many ended in a clear error, how many in anything
else (which must be none), and the seconds. An input follows from the seed, the source and its number; tests/unit/sources runs the
first few of each source. Damaged videos need the pose networks, and `M3N_DATA` with videos.zip.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import re
import sys
import time
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]

from fuzz import damaged_films
from fuzz.originals import ORIGINALS
from fuzz.verdict import judged

from m3n import sources

NOT_HERE = {"c3d"} - ORIGINALS.keys()  # an extra that is not installed
SOURCES = [name for name in dict.fromkeys([*sources.SOURCES, *ORIGINALS]) if name not in NOT_HERE]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1000, help="damaged inputs per source")
    parser.add_argument("--source", choices=list(SOURCES), action="append", help="only this source; may be repeated")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures and every distinct message to this file too")
    options = parser.parse_args(arguments)
    figures = {}
    print(f"{'source':16s} {'inputs':>7s} {'clips':>7s} {'errors':>7s} {'failures':>9s} {'seconds':>8s}")
    for source in options.source or SOURCES:
        if source == "video" and (missing := damaged_films.missing()):
            print(f"{source:16s} {missing}")
            continue
        start, outcomes, messages = time.monotonic(), Counter[str](), Counter[str]()
        for verdict in judged(source, range(options.inputs), options.seed):
            outcomes["failures" if verdict.failed else verdict.outcome] += 1
            if verdict.failed:
                print(
                    f"  {source} input {verdict.index}: {verdict.outcome}: {verdict.detail[:400]!r}",
                    file=sys.stderr,
                    flush=True,
                )
            elif verdict.detail:
                messages[re.sub(r"\d+", "#", verdict.detail)] += 1
        row = {
            "inputs": options.inputs, "clips": outcomes["clip"], "errors": outcomes["error"], "failures": outcomes["failures"],
            "seconds": round(time.monotonic() - start, 1),
        }  # fmt: skip
        print(f"{source:16s} {row['inputs']:7d} {row['clips']:7d} {row['errors']:7d} {row['failures']:9d} {row['seconds']:8.1f}",
              flush=True)  # fmt: skip
        figures[source] = {**row, "messages": dict(messages.most_common())}
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return int(any(row["failures"] for row in figures.values()))


if __name__ == "__main__":
    sys.exit(main())
