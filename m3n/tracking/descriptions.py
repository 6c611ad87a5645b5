"""The descriptions on MLflow's pages, for somebody who sees them for the first time: each experiment, run and metric.

MLflow shows them (Markdown) at the top of an experiment and of a run.
"""

from __future__ import annotations

from collections.abc import Mapping

# metric (* matches any ending) -> (unit, which way is better, meaning)
Glossary = Mapping[str, tuple[str, str, str]]

LOSSES: Glossary = {
    "val/loss": ("-", "lower", "weighted sum of all losses, on held-out people; the best epoch is the one where it is lowest"),
    "train/loss": ("-", "lower", "the same over the training windows, mean of an epoch"),
    "val/loss/*, train/loss/*": ("-", "lower", "one loss before its weight (its weight is the param loss.*)"),
    "train/lr": ("-", "", "learning rate at the end of the epoch"),
    "train/skipped_steps": ("steps", "lower", "steps skipped because the loss was not finite"),
    "train/windows_per_s": ("windows/s", "higher", "training speed"),
    "best/epoch": ("epoch", "", "the epoch of the checkpoint"),
}
SCORES: Glossary = {
    "*/macro_f1": (
        "0 to 1",
        "higher",
        "mean F1 over the activities, by window (val: for model selection; test: unseen people)",
    ),
    "*/recording_macro_f1": ("0 to 1", "higher", "the same by labelled segment"),
    "*/accuracy": ("0 to 1", "higher", "share of windows classified correctly"),
    "train/loss": ("nats", "lower", "cross-entropy of the batch, by step"),
}
GLOSSARIES: Mapping[str, Glossary] = {
    "simulate": {
        "simulate/clips, frames, samples": ("count", "", "size of the result"),
        "simulate/frames_per_s": ("frames/s", "higher", "speed, all workers together"),
        "simulate/rejected": ("clips", "lower", "moved to quarantine, each with its reason"),
    },
    "pretrain": LOSSES,
    "finetune": SCORES,
    "evaluate": {
        "test/zero_shot_macro_f1": ("0 to 1", "higher", "classes from their sentences alone, without labels"),
        "test/*_macro_f1": ("0 to 1", "higher", "probes on frozen features; knn: nearest neighbours, linear: a linear probe"),
        "test/retrieval/A_to_B/r1": ("0 to 1", "higher", "share of A whose nearest B is the right one"),
    },
    "tune": {
        "val/macro_f1": (
            "0 to 1", "higher", "of a trial: macro F1 on the validation people after fine-tuning; the search maximises it",
        ),
        "tune/val_macro_f1": ("0 to 1", "higher", "of the sweep: the best so far, by the number of trials that have ended"),
        "tune/best_val_macro_f1": ("0 to 1", "higher", "of the sweep: its best trial"),
    },
    "reproduce": {
        "test/macro_f1": ("0 to 1", "higher", "of a cell: macro F1 by recording, on unseen people"),
        "test/window_macro_f1": ("0 to 1", "higher", "the same by window"),
    },
}  # fmt: skip
SYSTEM = "\nThe load of the machine is under System metrics.\n"

EXPERIMENTS = {"evaluate": "m3n-pretrain"}  # stages whose experiment is not m3n-<stage>
_ABOUT = {
    "m3n-simulate": "Virtual IMUs over tables of pose clips (`m3n simulate`): one run per table.",
    "m3n-pretrain": "Encoders of text, pose and IMU pretrained together on synthetic clips (`m3n pretrain`), and their evaluation "
    "before any fine-tuning (`m3n evaluate`).",
    "m3n-finetune": "Classifiers of real recordings (`m3n finetune`), from scratch or from a pretrained encoder. Compare runs by "
    "`test/macro_f1`; the params `freeze` and `label_fraction` and the tag `m3n.data_sha` tell them apart.",
    "m3n-tune": "Searches for the best settings (`m3n tune`). A row named after its folder is a sweep; expand it for its trials. A "
    "trial pretrains, fine-tunes, and is scored by `val/macro_f1` on validation people, never on the test people. To see which "
    "loss weights matter, select the trials, then Compare, Parallel Coordinates, with the params `loss.*` and the metric "
    "`val/macro_f1`; or open the plots among the sweep's artifacts.",
    "m3n-reproduce": "A dataset's protocol (`m3n reproduce`): one run per protocol, one child per method, label budget, seed and "
    "fold. The table is `results.md` among the parent's artifacts.",
}


def experiment_of(stage: str) -> str:
    """The name of a stage's experiment."""
    return EXPERIMENTS.get(stage, f"m3n-{stage}")


def glossary(stage: str) -> str:
    """A Markdown table of a stage's metrics."""
    rows = [f"| `{name}` | {unit} | {better} | {meaning} |" for name, (unit, better, meaning) in GLOSSARIES[stage].items()]
    return "\n".join(["| metric | unit | better | meaning |", "| --- | --- | --- | --- |", *rows]) + "\n"


def experiment_description(experiment: str) -> str:
    """The description of an experiment; "" for one that m3n does not know."""
    stages = [stage for stage in GLOSSARIES if experiment_of(stage) == experiment]
    return "\n\n".join([_ABOUT[experiment], *map(glossary, stages)]) if experiment in _ABOUT else ""


def run_description(stage: str, about: str, out: object) -> str:
    """The description of a run: the text `about`, the folder of its result, and its metrics."""
    where = f"Result: `{out}`\n" if out is not None else ""
    table = glossary(stage) + SYSTEM if stage in GLOSSARIES else ""
    return "\n".join(part for part in (about, where, table) if part)
