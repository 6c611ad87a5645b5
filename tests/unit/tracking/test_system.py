"""The load of the machine: read from /proc and nvidia-smi, under MLflow's names."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from m3n.tracking import system


def test_a_busy_core_counts_as_busy_and_memory_is_that_of_the_machine(monkeypatch):
    monkeypatch.setattr(system, "SAMPLE_S", 1000.0)
    monkeypatch.setattr(system, "SHORTEST_S", 0.0)
    taken: list[dict[str, float]] = []
    sampler = system.Sampler(lambda values, step: taken.append(values))
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    sampler.close()
    (values,) = taken
    total_mb = int(Path("/proc/meminfo").read_text().split()[1]) / 1024
    assert 0 < values["system/cpu_utilization_percentage"] <= 100
    share = values["system/system_memory_usage_megabytes"] / total_mb
    assert values["system/system_memory_usage_percentage"] == pytest.approx(100 * share, rel=1e-3)
    assert 10 < values["system/process_memory_megabytes"] < total_mb


def test_samples_are_numbered_and_stop_with_close(monkeypatch):
    monkeypatch.setattr(system, "SAMPLE_S", 0.02)
    steps: list[int] = []
    sampler = system.Sampler(lambda values, step: steps.append(step))
    time.sleep(0.3)
    sampler.close()
    count = len(steps)
    assert count >= 2
    assert steps == list(range(count))
    time.sleep(0.1)
    assert len(steps) == count


def test_each_gpu_has_its_own_names(tmp_path):
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho '35, 2048, 8192'\necho '0, 0, 8192'\n")
    smi.chmod(0o755)
    found = system._gpus(str(smi))
    assert found["system/gpu_0_utilization_percentage"] == 35
    assert found["system/gpu_0_memory_usage_percentage"] == 25  # 2048 of 8192
    assert found["system/gpu_1_memory_usage_megabytes"] == 0


def test_a_gpu_that_cannot_be_read_leaves_the_other_values(tmp_path, monkeypatch):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 'No devices were found'\nexit 6\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(system, "SHORTEST_S", 0.0)
    taken: list[dict[str, float]] = []
    system.Sampler(lambda values, step: taken.append(values)).close()
    assert "system/system_memory_usage_percentage" in taken[0]
    assert not any("gpu" in name for name in taken[0])
