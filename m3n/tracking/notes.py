"""What MLflow's pages say to somebody who sees them for the first time: what an experiment is, and what each metric means.

Shown at the top of an experiment and of a run (MLflow's description, Markdown).
"""

from __future__ import annotations

from collections.abc import Mapping

# metric (* stands for any ending) -> (unit, which way is better, meaning)
Glossary = Mapping[str, tuple[str, str, str]]

LOSSES: Glossary = {
    "val/loss": ("-", "lower", "weighted sum of all objectives, people held out; the best epoch is the one where it is lowest"),
    "train/loss": ("-", "lower", "the same over the training windows, mean of an epoch"),
    "val/loss/*, train/loss/*": ("-", "lower", "one objective before its weight (its weight is the param loss.*)"),
    "train/lr": ("-", "", "learning rate at the end of the epoch"),
    "train/skipped_steps": ("steps", "lower", "steps left out because the loss was not finite"),
    "train/windows_per_s": ("windows/s", "higher", "speed of training"),
    "best/epoch": ("epoch", "", "the epoch that the checkpoint is of"),
}
SCORES: Glossary = {
    "*/macro_f1": (
        "0 to 1",
        "higher",
        "mean F1 of the activities, over windows (val: to choose by; test: people never seen)",
    ),
    "*/recording_macro_f1": ("0 to 1", "higher", "the same over whole labelled stretches"),
    "*/accuracy": ("0 to 1", "higher", "share of windows that are right"),
    "train/loss": ("nats", "lower", "cross entropy of the batch, by step"),
}
GLOSSARIES: Mapping[str, Glossary] = {
    "simulate": {
        "simulate/clips, frames, samples": ("count", "", "what was simulated"),
        "simulate/frames_per_s": ("frames/s", "higher", "speed, all workers together"),
        "simulate/rejected": ("clips", "lower", "in quarantine, with the reason"),
    },
    "pretrain": LOSSES,
    "finetune": SCORES,
    "evaluate": {
        "test/zero_shot_macro_f1": ("0 to 1", "higher", "sentences alone, no label seen"),
        "test/*_macro_f1": ("0 to 1", "higher", "probes on frozen features; knn: nearest neighbours, linear: a linear probe"),
        "test/retrieval/A_to_B/r1": ("0 to 1", "higher", "how often the right B is the nearest to an A"),
    },
    "tune": {
        "val/macro_f1": (
            "0 to 1", "higher", "of a trial: macro F1 on the validation people after fine-tuning; what the search maximises",
        ),
        "tune/val_macro_f1": ("0 to 1", "higher", "of the sweep: the same, by trial number"),
        "tune/best_val_macro_f1": ("0 to 1", "higher", "of the sweep: its best trial"),
    },
    "reproduce": {
        "test/macro_f1": ("0 to 1", "higher", "of a cell: macro F1 over recordings of people never seen"),
        "test/window_macro_f1": ("0 to 1", "higher", "the same over windows"),
    },
}  # fmt: skip
SYSTEM = "\nHow busy the machine was is under System metrics.\n"

EXPERIMENTS = {"evaluate": "m3n-pretrain"}  # where it is not m3n-<stage>
_ABOUT = {
    "m3n-simulate": "Virtual IMUs over tables of pose clips (`m3n simulate`): one run per table.",
    "m3n-pretrain": "Encoders of text, pose and IMU pretrained together on synthetic clips (`m3n pretrain`), and how good they are "
    "before any fine-tuning (`m3n evaluate`).",
    "m3n-finetune": "Classifiers of real recordings (`m3n finetune`), from scratch or from a pretrained encoder. Compare runs by "
    "`test/macro_f1`; params `freeze`, `label_fraction` and the tag `m3n.data_sha` say what was compared.",
    "m3n-tune": "Searches for the best settings (`m3n tune`). A row named after its folder is a sweep; unfold it for its trials. A "
    "trial pretrains, fine-tunes, and is judged by `val/macro_f1` on people held out for choosing, never on those tested on. Which "
    "loss weights matter: select the trials, Compare, Parallel Coordinates, with the params `loss.*` and the metric "
    "`val/macro_f1`; or the plots among the sweep's artifacts.",
    "m3n-reproduce": "A data set's protocol (`m3n reproduce`): one run per protocol, one child per method, label budget, seed and "
    "fold. The table is `results.md` among the parent's artifacts.",
}


def experiment_of(stage: str) -> str:
    """The name of a stage's experiment."""
    return EXPERIMENTS.get(stage, f"m3n-{stage}")


def glossary(stage: str) -> str:
    """A Markdown table of a stage's metrics."""
    rows = [f"| `{name}` | {unit} | {better} | {meaning} |" for name, (unit, better, meaning) in GLOSSARIES[stage].items()]
    return "\n".join(["| metric | unit | better | what it is |", "| --- | --- | --- | --- |", *rows]) + "\n"


def experiment_note(experiment: str) -> str:
    """What an experiment is; "" for one that m3n does not know."""
    stages = [stage for stage in GLOSSARIES if experiment_of(stage) == experiment]
    return "\n\n".join([_ABOUT[experiment], *map(glossary, stages)]) if experiment in _ABOUT else ""


def run_note(stage: str, about: str, out: object) -> str:
    """What a run is, where its result lies, and what its metrics mean."""
    where = f"Result: `{out}`\n" if out is not None else ""
    table = glossary(stage) + SYSTEM if stage in GLOSSARIES else ""
    return "\n".join(part for part in (about, where, table) if part)
