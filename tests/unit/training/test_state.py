"""The state of a run: what is saved comes back to the bit, and what cannot be read is no state."""

from __future__ import annotations

import os

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from m3n.io import storage
from m3n.training.state import Progress, read_header, recovered, remove, restore, save_state


def network() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    net = torch.nn.Linear(3, 2)
    return net, torch.optim.AdamW(net.parameters(), lr=0.1)


def step(net: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    net(torch.ones(1, 3)).square().sum().backward()
    optimizer.step()


def test_a_run_that_is_restored_takes_the_next_step_of_the_one_that_was_saved(tmp_path):
    net, optimizer = network()
    step(net, optimizer)
    save_state(tmp_path / "state", Progress(epoch=2, step=5, sums={"total": 1.5}), net, optimizer, {"fingerprint": "x"})
    other, fresh = network()
    progress = restore(tmp_path / "state", other, fresh)
    assert progress == Progress(epoch=2, step=5, sums={"total": 1.5})
    for pair in ((net, optimizer), (other, fresh)):
        step(*pair)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))


def test_the_description_is_in_the_header(tmp_path):
    net, optimizer = network()
    save_state(tmp_path / "state", Progress(), net, optimizer, {"fingerprint": "x", "config": {"seed": 1}})
    header = read_header(tmp_path / "state")
    assert (header["fingerprint"], header["config"], header["progress"]["epoch"]) == ("x", {"seed": 1}, 0)


def test_what_cannot_be_read_is_no_state(tmp_path):
    net, optimizer = network()
    assert restore(tmp_path / "absent", net, optimizer) == Progress()
    for content in (b"", b"half", b"\0" * 100):
        (tmp_path / "state").write_bytes(content)
        assert read_header(tmp_path / "state") is None
    save_file({"w": torch.zeros(1)}, tmp_path / "state")  # tensors without a header of ours
    assert read_header(tmp_path / "state") is None


def test_a_state_with_the_names_of_an_earlier_version_is_restored(tmp_path):
    net = torch.nn.ModuleDict({"rate_embedding": torch.nn.Linear(1, 2, bias=False)})
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    net["rate_embedding"].weight.grad = torch.ones(2, 1)
    optimizer.step()
    save_state(tmp_path / "new", Progress(step=1), net, optimizer, {})
    old = {name.replace("rate_embedding", "told_rate"): value for name, value in load_file(tmp_path / "new").items()}
    assert any("told_rate" in name for name in old)
    with safe_open(tmp_path / "new", "pt") as file:
        save_file(old, tmp_path / "old", file.metadata())
    other = torch.nn.ModuleDict({"rate_embedding": torch.nn.Linear(1, 2, bias=False)})
    fresh = torch.optim.AdamW(other.parameters(), lr=0.1)
    assert restore(tmp_path / "old", other, fresh).step == 1
    assert torch.equal(other["rate_embedding"].weight, net["rate_embedding"].weight)
    assert set(fresh.state[other["rate_embedding"].weight]) == {"step", "exp_avg", "exp_avg_sq"}


def saved_twice(path, moment: int = 2) -> None:
    net, optimizer = network()
    for number in range(1, moment + 1):
        step(net, optimizer)
        save_state(path, Progress(step=number), net, optimizer, {"fingerprint": "x"})


@pytest.mark.parametrize("damage", [lambda file: os.truncate(file, file.stat().st_size // 2), lambda file: file.unlink()])
def test_a_damaged_state_is_named_and_kept_and_the_one_before_it_goes_on(tmp_path, caplog, damage):
    saved_twice(tmp_path / "last")
    assert recovered(tmp_path / "last")["progress"]["step"] == 2
    damage(tmp_path / "last")
    assert restore(tmp_path / "last", *network()).step == 1
    was_there = (tmp_path / "last").exists()
    assert recovered(tmp_path / "last")["progress"]["step"] == 1
    assert restore(tmp_path / "last", *network()).step == 1
    assert (tmp_path / "last.damaged").exists() == was_there == ("last is damaged" in caplog.text)
    remove(tmp_path / "last")
    assert {file.name for file in tmp_path.iterdir()} <= {"last.damaged"}


def test_a_damaged_state_without_one_before_it_is_named_and_starts_anew(tmp_path, caplog):
    saved_twice(tmp_path / "last", 1)
    (tmp_path / "last").write_bytes(b"half")
    assert recovered(tmp_path / "last") is None
    assert "last is damaged, and is kept as last.damaged; no state before it is left" in caplog.text
    assert (tmp_path / "last.damaged").read_bytes() == b"half"


def test_on_a_store_the_state_before_the_last_goes_on_too(bucket):
    place = storage.location(f"{bucket}/last")
    saved_twice(place)
    storage.write(place, b"half")
    assert recovered(place)["progress"]["step"] == 1
    assert storage.read(place.with_name("last.damaged")) == b"half"
