"""`cluster.yaml`, `runtime_env.yaml` and `deploy/` are what Ray, KubeRay and SkyPilot accept, in our versions, open nothing to the
internet, and run commands of m3n that there are."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from commands import check_command
from places import REPOSITORY
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.runtime_env import RuntimeEnv

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


def test_disks_and_what_goes_to_the_shared_one_are_encrypted(config: dict[str, Any]) -> None:
    for node_type in config["available_node_types"].values():
        assert all(disk["Ebs"]["Encrypted"] for disk in node_type["node_config"]["BlockDeviceMappings"])
    (mount,) = [line for line in config["initialization_commands"] if "mount -t" in line]
    assert "mount -t efs -o tls " in mount


def test_machines_are_of_one_image_and_may_do_only_what_a_file_of_ours_says(config: dict[str, Any]) -> None:
    for name, node_type in config["available_node_types"].items():
        node = node_type["node_config"]
        assert node["IamInstanceProfile"] == {
            "Name": "m3n-head" if name == "head" else "m3n-worker"
        }  # or Ray gives it all of EC2
        assert re.fullmatch(r"ami-\w{17}", node["ImageId"])
    for file in ("head_policy", "bucket_policy"):
        policy = json.loads((REPOSITORY / "deploy" / "aws" / f"{file}.json").read_text(encoding="utf-8"))
        for statement in policy["Statement"]:
            actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
            assert not [action for action in actions if "*" in action]
            assert statement["Resource"] != "*" or all(action.startswith("ec2:Describe") for action in actions)
    ended = next(s for s in json.loads((REPOSITORY / "deploy" / "aws" / "head_policy.json").read_text())["Statement"]
                 if "ec2:TerminateInstances" in s["Action"])  # fmt: skip
    assert ended["Condition"]["StringEquals"] == {"ec2:ResourceTag/ray-cluster-name": config["cluster_name"]}


def test_mlflow_asks_for_a_login_answers_to_its_own_names_and_keeps_its_runs_in_a_database_server(
    config: dict[str, Any],
) -> None:
    (server,) = [line for line in config["head_start_ray_commands"] if "mlflow server" in line]
    assert "--app-name basic-auth" in server
    assert re.search(r'--allowed-hosts "\S.*127\.0\.0\.1:5000"', server)
    assert "sqlite" not in str(config)
    assert config["file_mounts"]["~/.m3n/mlflow.env"] == "~/.m3n/mlflow.env"
    guide = (REPOSITORY / "docs" / "aws.md").read_text(encoding="utf-8")
    assert "MLFLOW_BACKEND_STORE_URI='postgresql://" in guide
    assert "MLFLOW_FLASK_SERVER_SECRET_KEY=" in guide  # without it, the server refuses to start
    for command in config[
        "worker_start_ray_commands"
    ]:  # workers know the login and nothing of the database and the server's key
        assert "mlflow.env" not in command or "unset MLFLOW_BACKEND_STORE_URI MLFLOW_FLASK_SERVER_SECRET_KEY;" in command


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


def test_the_google_cloud_of_the_docs_is_accepted_too() -> None:
    """docs/google_cloud.md says what replaces the keys of the same names."""
    (block,) = re.findall(
        r"```yaml\n(# gcp.*?)```", (REPOSITORY / "docs" / "google_cloud.md").read_text(encoding="utf-8"), re.S
    )
    config = prepare_config(load("cluster.yaml") | yaml.safe_load(block))
    validate_config(config)
    assert config["provider"]["type"] == "gcp"
    types = config["available_node_types"]
    assert set(types) == {"head", "cpu", "gpu"}
    assert all(types[name]["node_config"]["scheduling"][0]["preemptible"] for name in ("cpu", "gpu"))
    assert all("accessConfigs" in interface for t in types.values() for interface in t["node_config"]["networkInterfaces"])
    assert not EVERYWHERE & {str(value) for value in values(config)}


@pytest.fixture
def kubernetes() -> dict[str, dict[str, Any]]:
    """Kind -> document of deploy/rayjob.yaml."""
    return {document["kind"]: document for document in yaml.safe_load_all((REPOSITORY / "deploy" / "rayjob.yaml").read_text())}


# Fields that KubeRay 1.5 knows (ray-operator/apis/ray/v1 in its repository); it refuses, or silently drops, any other one.
RAY_JOB = {
    "entrypoint",
    "runtimeEnvYAML",
    "backoffLimit",
    "shutdownAfterJobFinishes",
    "ttlSecondsAfterFinished",
    "rayClusterSpec",
}
RAY_CLUSTER = {"rayVersion", "authOptions", "enableInTreeAutoscaling", "autoscalerOptions", "headGroupSpec", "workerGroupSpecs"}
HEAD = {"serviceType", "rayStartParams", "template"}
WORKERS = {"groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"}


def test_the_ray_job_has_fields_that_kuberay_knows(kubernetes: dict[str, dict[str, Any]]) -> None:
    job = kubernetes["RayJob"]
    assert job["apiVersion"] == "ray.io/v1"
    assert set(job["spec"]) <= RAY_JOB
    cluster = job["spec"]["rayClusterSpec"]
    assert set(cluster) <= RAY_CLUSTER
    assert set(cluster["headGroupSpec"]) <= HEAD
    assert {group["groupName"] for group in cluster["workerGroupSpecs"]} == {"cpu", "gpu"}
    for group in cluster["workerGroupSpecs"]:
        assert set(group) <= WORKERS
        assert group["minReplicas"] == 0 < group["maxReplicas"]
    RuntimeEnv(**yaml.safe_load(job["spec"]["runtimeEnvYAML"]))
    (pin,) = re.findall(r"(?m)^ray==(\S+)$", (REPOSITORY / "constraints.txt").read_text())
    assert cluster["rayVersion"] == pin
    assert f"rayproject/ray:{pin}-py311-" in (REPOSITORY / "deploy" / "Dockerfile").read_text()
    for start in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert all(isinstance(value, str) for value in start["rayStartParams"].values())


def test_pods_see_one_volume_and_nothing_of_them_is_seen_from_outside(kubernetes: dict[str, dict[str, Any]]) -> None:
    cluster = kubernetes["RayJob"]["spec"]["rayClusterSpec"]
    templates = [group["template"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]
    for template in (*templates, kubernetes["Deployment"]["spec"]["template"]):
        (volume,) = template["spec"]["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] == kubernetes["PersistentVolumeClaim"]["metadata"]["name"]
        for container in template["spec"]["containers"]:
            assert container["volumeMounts"] == [{"name": volume["name"], "mountPath": "/mnt/m3n"}]
            assert "hostPort" not in str(container)
    assert kubernetes["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteMany"]
    assert kubernetes["Service"]["spec"]["type"] == cluster["headGroupSpec"]["serviceType"] == "ClusterIP"
    assert cluster["authOptions"] == {"mode": "token"}


def test_mlflow_of_the_ray_job_asks_for_a_login_and_only_it_knows_the_database(kubernetes: dict[str, dict[str, Any]]) -> None:
    (server,) = kubernetes["Deployment"]["spec"]["template"]["spec"]["containers"]
    script = server["args"][-1]
    assert "--app-name basic-auth" in script
    assert "--allowed-hosts" in script
    assert "sqlite" not in str(kubernetes)
    names = {item["name"]: item["valueFrom"]["secretKeyRef"]["key"] for item in server["env"]}
    assert names["MLFLOW_BACKEND_STORE_URI"] == "database"
    assert set(re.findall(r"\$(MLFLOW_\w+)", script)) <= set(names)
    cluster = kubernetes["RayJob"]["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        assert [item["name"] for item in container["env"]] == ["MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"]


def test_skypilot_knows_the_fields_of_its_task() -> None:
    """By SkyPilot itself where it is installed, which is a package too large for our tests."""
    task = load("deploy/sky.yaml")
    assert set(task) == {"name", "resources", "workdir", "envs", "setup", "run"}
    assert task["resources"]["use_spot"] is True
    assert "ports" not in task["resources"]
    assert all(isinstance(value, str) for value in task["envs"].values())
    sky = pytest.importorskip("sky", reason="SkyPilot is not installed")
    assert sky.Task.from_yaml(str(REPOSITORY / "deploy" / "sky.yaml")).name == "m3n"


def test_what_is_run_there_is_a_command_of_m3n(kubernetes: dict[str, dict[str, Any]]) -> None:
    check_command(shlex.split(kubernetes["RayJob"]["spec"]["entrypoint"])[1:])
    lines = [line for line in load("deploy/sky.yaml")["run"].splitlines() if "bin/m3n " in line]
    assert len(lines) == 2
    for line in lines:
        known = line.replace("$STORE", "s3").replace("$BUCKET", "bucket").replace("$(nproc)", "8")
        check_command(shlex.split(known.replace("$SKYPILOT_NUM_GPUS_PER_NODE", "1")))
