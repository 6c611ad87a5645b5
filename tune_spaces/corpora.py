"""How often the windows of each corpus should be drawn in an epoch of pretraining; the first trial draws all alike.

Copy this file and name your own tables or sources: those in `source` of their rows, or the folders of the tables.
"""

from typing import Any

CORPORA = ["choreography", "bandai_namco", "msr_action3d", "utd_mhad"]
FIRST = [dict.fromkeys((f"pretrain.mix.{name}" for name in CORPORA), 1.0)]


def space(trial: Any) -> None:
    for name in CORPORA:
        trial.suggest_float(f"pretrain.mix.{name}", 0.25, 4.0, log=True)
