"""Make the pretrained weights that come with m3n, and their model card (docs/weights.md).

    python tools/make_weights.py --ui-prmd ui_prmd.zip --cmu cmu_mocap.zip --out runs/weights
    python tools/make_weights.py --card figures.json --out m3n/weights

The first command runs the stages with the preset configs/wrist_small.yaml on the corpora whose licences allow commercial use, and
leaves `wrist-small` in --out: the IMU encoder and what zero-shot needs, without pose encoder and decoders. It resumes where it was
interrupted. The second writes the card of the weights in --out again, with measured figures: a JSON object with `measured` (date,
commit, machine), `command`, and `rows`, each with `dataset`, `labels`, `people`, `scratch`, `weights` (macro F1) and `interval`
(of the gain, 95 %, over people).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from m3n import cli
from m3n.evaluation.embed import WITHOUT_POSES
from m3n.io import tables
from m3n.reports.markdown import markdown_table
from m3n.training import checkpoint as checkpoints

NAME, PRESET, SKETCHES = "wrist-small", "wrist_small", 3000
MOST_BYTES = 3 << 20
CARD, FIGURES = "README.md", "figures.json"
TEXT = """# {name}

A pretrained IMU encoder for watches: {parameters:,} numbers, {kilobytes:,} kB. It embeds windows of either wrist, or of both, and
sentences. Made by m3n after Multi^3Net (arXiv 2406.01316); `python tools/make_weights.py` makes it again.

- **Input**: windows of {window_s:g} s (others work too) at {rate_hz:g} Hz of {placements}: specific force in m/s², angular
  rate in rad/s, x along the forearm towards the hand, z out of the back of the wrist, y = z × x.
- **Made of** the motion of virtual and recorded people, through virtual sensors: {sources} (number of people).
  UI-PRMD is in the public domain. "The data used in this project was obtained from mocap.cs.cmu.edu. The database was created with
  funding from NSF EIA-0196217."
- **Licence**: Apache-2.0, as m3n. Commercial use is allowed.
- **Not for** other places on the body, or for decisions about people's health or safety.

## Measured

{measured}
"""


def made(ui_prmd: Path, cmu: Path, out: Path) -> Path:
    """Run or resume the stages, and leave the folder of the weights in `out`."""
    work = out / "work"
    given = {"sketch": [f"clips={SKETCHES}", "seed=0"], "ui_prmd": [str(ui_prmd)], "asf_amc": [str(cmu)]}
    for source, arguments in given.items():
        if not (work / source / "poses" / tables.MANIFEST).is_file():
            _run("ingest", source, *arguments, "--out", str(work / source))
        if not (work / source / "synthetic" / tables.MANIFEST).is_file():
            _run("simulate", str(work / source / "poses"), "--out", str(work / source / "synthetic"), "--config", PRESET)
    if not (work / NAME / tables.MANIFEST).is_file():
        clips = [str(work / source / "synthetic") for source in given]
        _run("pretrain", *clips, "--out", str(work / NAME), "--config", PRESET)
    return packed(work / NAME, out / NAME)


def _run(*arguments: str) -> None:
    if status := cli.main(list(arguments)):
        raise SystemExit(status)


def packed(pretrained: Path, folder: Path) -> Path:
    """Keep of a pretraining what embeds windows and sentences."""
    found = checkpoints.load_pretrained(pretrained)
    kept = {name: value for name, value in found.weights.items() if name.startswith(WITHOUT_POSES)}
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints.save(folder, replace(found, weights=kept))
    size = (folder / checkpoints.WEIGHTS).stat().st_size
    if size > MOST_BYTES:
        raise SystemExit(
            f"{folder / checkpoints.WEIGHTS} has {size} bytes, expected at most {MOST_BYTES}: choose a smaller model"
        )
    return folder


def write_card(folder: Path, figures: dict[str, Any] | None) -> None:
    """The model card of the weights in a folder."""
    found = checkpoints.load_pretrained(folder)
    text = TEXT.format(
        name=folder.name,
        parameters=sum(value.numel() for value in found.weights.values()),
        kilobytes=(folder / checkpoints.WEIGHTS).stat().st_size // 1000,
        window_s=found.windows.window_s,
        rate_hz=found.windows.rate_hz,
        placements=" and ".join(found.placements),
        sources=", ".join(f"{source} ({len(subjects)})" for source, subjects in found.subjects.items()),
        measured=_measured(figures) if figures else "Nothing was measured with these weights yet.",
    )
    tables.write_text(folder / CARD, text)


def _measured(figures: dict[str, Any]) -> str:
    """The table of what the weights are worth to people who were never seen."""
    rows = [
        [row["dataset"], row["labels"], row["people"], f"{row['scratch']:.3f}", f"{row['weights']:.3f}",
         f"{row['weights'] - row['scratch']:+.3f}", "{:+.3f} to {:+.3f}".format(*row["interval"])]
        for row in figures["rows"]
    ]  # fmt: skip
    head = ["recordings of", "labels", "people", "from scratch", "from these weights", "gain", "95 % over people"]
    made = figures["measured"]
    return (
        "Macro F1 over windows of people who were never seen; nothing of these recordings went into the weights, and nothing was "
        f"chosen on them.\n\n{markdown_table(head, rows)}\n    {figures['command']}\n\n"
        f"({made['date']}, commit {made['commit']}, {made['machine']}.)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ui-prmd", type=Path, help="UI-PRMD's zip or folder")
    parser.add_argument("--cmu", type=Path, help="zip or folder of CMU's ASF and AMC files")
    parser.add_argument("--card", type=Path, metavar="FIGURES.json", help="only write the card, with these figures")
    parser.add_argument("--out", type=Path, required=True, help="folder of the weights")
    given = parser.parse_args()
    if given.card:
        figures = json.loads(given.card.read_text(encoding="utf-8"))
        tables.write_text(given.out / NAME / FIGURES, json.dumps(figures, indent=2) + "\n")
        write_card(given.out / NAME, figures)
    elif given.ui_prmd and given.cmu:
        write_card(made(given.ui_prmd, given.cmu, given.out), None)
    else:
        parser.error("give --ui-prmd and --cmu, or --card")


if __name__ == "__main__":
    main()
