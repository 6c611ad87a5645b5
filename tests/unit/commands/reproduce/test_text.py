"""results.md: means, intervals and gains by hand, label budgets in order."""

from __future__ import annotations

import pytest

from m3n.commands.reproduce.cells import CellResult
from m3n.commands.reproduce.text import by_amount, results_text
from m3n.config import ProtocolConfig, ReproduceConfig

CONFIG = ReproduceConfig(protocol=ProtocolConfig(source="seglearn_watch", placements=["right_wrist"]))


def result(method: str, labels: str, fold: int, macro_f1: float, setting: str = "none") -> CellResult:
    scores = {"precision": 1.0, "recall": 1.0, "f1": 1.0, "count": 3}
    return CellResult(
        dataset="mine", setting=setting, method=method, labels=labels, seed=0, fold=fold, test_subjects=(f"s{fold}",),
        macro_f1=macro_f1, accuracy=1.0, window_macro_f1=1.0, train_examples=3, test_examples=3,
        per_class={"a": scores, "b": scores}, confusion=[[3, 0], [0, 3]], elapsed_s=1.0,
    )  # fmt: skip


RESULTS = [
    result("scratch", "10%", 0, 0.50),
    result("scratch", "10%", 1, 0.70),
    result("not_frozen", "10%", 0, 0.60, "cross_corpus"),
    result("not_frozen", "10%", 1, 0.80, "cross_corpus"),
    result("zero_shot", "0", 0, 0.20, "cross_corpus"),
]


def test_budgets_go_from_none_over_examples_to_shares():
    assert by_amount({"100%", "2", "0", "5%", "10", "10%"}) == ["0", "2", "10", "5%", "10%", "100%"]


def test_every_method_has_its_mean_and_its_gain_over_scratch():
    text, figures, curves = results_text("mine", RESULTS, CONFIG)
    assert figures["none/scratch/10%"] == pytest.approx(0.6)
    assert figures["cross_corpus/not_frozen/10%"] == pytest.approx(0.7)
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| ")}
    assert text.count("0.700 ± 0.141 [0.600, 0.800]") == 1
    assert "+0.100 [+0.100, +0.100]" in lines["not_frozen (cross)"]  # of the second table, which comes later
    assert "scratch" in lines
    assert curves["not_frozen (cross)"] == {"10%": [0.6, 0.8]}
    assert "zero_shot (cross)" not in curves


def test_the_table_says_what_it_is_over():
    text, _, _ = results_text("mine", RESULTS, CONFIG)
    assert "2 classes, 2 folds (leave one subject out), seeds 0." in text
