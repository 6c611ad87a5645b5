"""The web service of a classifier, asked over a real connection: its answers are the model's, and its refusals say why."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from exported import SHAPE, classifier, saved

from m3n.errors import InputError
from m3n.export.samples import SamplesClassifier, example_samples
from m3n.export.web_service import application


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[SamplesClassifier, str]]:
    """A classifier of both wrists, and the address at which it is served."""
    folder = saved(tmp_path_factory.mktemp("served") / "classifier", classifier()[1])
    server = uvicorn.Server(uvicorn.Config(application(folder), host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield SamplesClassifier(folder), f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def ask(address: str, content: Any) -> tuple[int, dict[str, Any]]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"{address}/predict", data=body, method="POST"), timeout=60
        ) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def test_the_answer_is_the_models(served):
    model, address = served
    for rate_hz in (50.0, 100.0):
        frame = example_samples(["right_wrist"], rate_hz, 5.0)
        status, found = ask(address, {"rate_hz": rate_hz, "hop_s": 0.8, "samples": frame.to_dict("list")})
        assert status == 200
        assert found == model.predict(frame, {"rate_hz": rate_hz, "hop_s": 0.8}).to_dict("list")
    with urllib.request.urlopen(address, timeout=60) as answer:
        about = json.load(answer)
    assert (about["window_s"], about["rate_hz"]) == (SHAPE.window_s, SHAPE.rate_hz)
    assert about["columns"]["left_wrist"][0] == "left_wrist_ax"


def test_what_is_wrong_with_a_request_is_one_line(served):
    _, address = served
    good = example_samples(["right_wrist"], 50.0, 4.0).to_dict("list")
    for content, message in (
        (b"{", "expected JSON"),
        ({"samples": {**good, "right_wrist_ax": [1.0]}}, "columns of one length"),
        ({"samples": {"ax": [1.0, 2.0]}}, "found ax; expected left_wrist_ax"),
        ({"samples": {name: values[:20] for name, values in good.items()}}, "shorter than the model's window"),
        ({"samples": {name: [value / 9.81 for value in values] for name, values in good.items()}}, "probably in g"),
        ({"rate_hz": -5, "samples": good}, "rate_hz"),
    ):
        status, found = ask(address, content)
        assert status == 400, found
        assert message in found["error"]
        assert "\n" not in found["error"]


def test_a_folder_without_a_classifier_is_refused(tmp_path):
    with pytest.raises(InputError, match=str(tmp_path)):
        application(tmp_path)
