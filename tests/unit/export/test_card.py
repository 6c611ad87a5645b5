"""The model card: what a stranger must know, and code that runs."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from exported import BOTH, CLASSES, classifier, saved

from m3n.cli import main

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
HEAVY = ["torch", "scipy", "sklearn", "pyarrow", "pydantic", "safetensors", "matplotlib", "onnx", "ray", "mlflow"]


def test_the_card_says_what_a_stranger_must_know(exported):
    card = (exported / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\n")
    for said in ("m/s²", "rad/s", "z out of the back of the wrist", "80 samples at **50 Hz**", "the left wrist and the right wrist",
                 "2 unseen people", "0.812 ", "0.750 to 0.875", "not given", "`my_watch`", "Apache-2.0",
                 "sit \\| rest"):  # fmt: skip
        assert said in card


def test_the_card_says_so_where_nothing_was_measured(tmp_path):
    made = saved(tmp_path / "made", classifier(("right_wrist",))[1])
    (made / "metrics.json").unlink()
    assert main(["export", str(made), "--out", str(tmp_path / "out")]) == 0
    assert "No figures came with the classifier" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("placements", [BOTH, ("right_wrist",)])
def test_the_cards_code_runs_on_numpy_and_onnxruntime_alone(tmp_path, exported, placements):
    out = exported
    if placements != BOTH:
        out = tmp_path / "out"
        assert main(["export", str(saved(tmp_path / "made", classifier(placements)[1])), "--out", str(out)]) == 0
    plain, live = re.findall(r"```python\n(.*?)```", (out / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert "m3n." not in plain
    lines = {}
    for name, code in (("plain", plain), ("live", live)):
        code = f"import sys\nsys.modules |= dict.fromkeys({HEAVY})\n{code}"  # None: the import fails
        done = subprocess.run([sys.executable, "-c", code], cwd=out, capture_output=True, text=True, check=True)
        lines[name] = done.stdout.splitlines()
    assert re.fullmatch(rf"({'|'.join(map(re.escape, CLASSES))}) \d\.\d\d", lines["plain"][0])
    assert lines["live"][0].startswith("1.6 s: ")  # the first window's end
    assert lines["live"][-1].startswith("19.6 s: ")  # of 20 s, less what the resampler looks ahead
