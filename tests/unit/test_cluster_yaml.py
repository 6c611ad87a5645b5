"""`cluster.yaml` and `runtime_env.yaml` are what Ray accepts, in our versions, and open nothing to the internet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.runtime_env import RuntimeEnv

REPOSITORY = Path(__file__).resolve().parents[2]
EVERYWHERE = {"0.0.0.0/0", "::/0"}


def load(name: str) -> Any:
    return yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8"))


@pytest.fixture
def config() -> dict[str, Any]:
    """The file with Ray's defaults filled in, as `ray up` sees it before it talks to AWS."""
    return prepare_config(load("cluster.yaml"))


def values(item: Any) -> Iterator[Any]:
    """Every scalar of a nested config."""
    if isinstance(item, dict):
        for inner in item.values():
            yield from values(inner)
    elif isinstance(item, list):
        for inner in item:
            yield from values(inner)
    else:
        yield item


def test_ray_accepts_the_cluster(config: dict[str, Any]) -> None:
    validate_config(config)


def test_no_port_is_open_to_the_internet(config: dict[str, Any]) -> None:
    # a node type without groups of its own gets one from Ray whose SSH is open to 0.0.0.0/0
    for name, node_type in config["available_node_types"].items():
        assert node_type["node_config"].get("SecurityGroupIds"), f"node type '{name}' leaves its security group to Ray"
    assert "security_group" not in config["provider"]
    assert not EVERYWHERE & {str(value) for value in values(config)}


def test_dashboard_is_reached_through_a_tunnel_only(config: dict[str, Any]) -> None:
    start = " ".join(config["head_start_ray_commands"])
    assert re.findall(r"--dashboard-host[= ](\S+)", start) == ["127.0.0.1"]
    assert not [option for option in config["docker"]["run_options"] if re.match(r"(-p|--publish)\b", option)]
    assert "-e RAY_AUTH_MODE=token" in config["docker"]["run_options"]


def test_workers_come_with_the_work_and_go_when_idle(config: dict[str, Any]) -> None:
    assert 0 < config["idle_timeout_minutes"] <= 10
    head = config["available_node_types"][config["head_node_type"]]
    assert "InstanceMarketOptions" not in head["node_config"]
    workers = {k: v for k, v in config["available_node_types"].items() if k != config["head_node_type"]}
    assert set(workers) == {"cpu", "gpu"}
    for node_type in workers.values():
        assert node_type["min_workers"] == 0
        assert node_type["max_workers"] > 0
        assert node_type["node_config"]["InstanceMarketOptions"]["MarketType"] == "spot"


def test_images_carry_the_ray_and_the_python_that_the_constraints_are_for(config: dict[str, Any]) -> None:
    (pin,) = re.findall(r"(?m)^ray==(\S+)$", (REPOSITORY / "constraints.txt").read_text())
    images = [str(value) for value in values(config) if str(value).startswith("rayproject/")]
    assert len(images) >= 2
    assert all(image.startswith(f"rayproject/ray:{pin}-py311-") for image in images)


def test_ray_accepts_the_runtime_environment_of_jobs() -> None:
    environment = load("runtime_env.yaml")
    RuntimeEnv(**environment)
    assert all(isinstance(value, str) for value in environment["env_vars"].values())
    needed = ("m3n", "jobs", "configs", "tune_spaces")
    assert not {f"/{name}/" for name in needed} & set(environment["excludes"])
