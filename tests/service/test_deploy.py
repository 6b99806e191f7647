"""What ships under deploy/: units, the container's commands, manifests; checked as far as no cluster is needed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sysconfig
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from optimizer.service.config import service_config
from optimizer.service.endpoint import MetricsPart
from optimizer.service.logs import LogPart
from optimizer.service.sections import check_sections
from optimizer.signals.config import InventoryPart
from optimizer.sources.config_yaml import config_from_document
from tests.documents import ROOT

DEPLOY = ROOT / "deploy"
STOP_S = 300
"""How long moves in flight are awaited unless said otherwise: whoever ends the service has to wait longer."""

TEXT, NUMBER, FLAG = str, int, bool
QUANTITY = re.compile(r"\d+(\.\d+)?(m|Ki|Mi|Gi)?\Z")
LABELS: Any = {"*": TEXT}
MOUNTS: Any = [{"name": TEXT, "mountPath": TEXT, "readOnly": FLAG}]
PROBE: Any = {"httpGet": {"path": TEXT, "port": TEXT}, "periodSeconds": NUMBER, "failureThreshold": NUMBER}
CONTAINER: Any = {
    "name": TEXT,
    "image": TEXT,
    "args": [TEXT],
    "env": [{"name": TEXT, "value": TEXT, "valueFrom": {"secretKeyRef": {"name": TEXT, "key": TEXT}}}],
    "ports": [{"name": TEXT, "containerPort": NUMBER}],
    "startupProbe": PROBE,
    "livenessProbe": PROBE,
    "resources": {"requests": LABELS, "limits": LABELS},
    "securityContext": {
        "allowPrivilegeEscalation": FLAG,
        "readOnlyRootFilesystem": FLAG,
        "capabilities": {"drop": [TEXT]},
    },
    "volumeMounts": MOUNTS,
}
VOLUME: Any = {
    "name": TEXT,
    "configMap": {"name": TEXT},
    "secret": {"secretName": TEXT, "defaultMode": NUMBER},
    "emptyDir": {},
    "persistentVolumeClaim": {"claimName": TEXT},
}
POD: Any = {
    "restartPolicy": TEXT,
    "terminationGracePeriodSeconds": NUMBER,
    "automountServiceAccountToken": FLAG,
    "securityContext": {"runAsNonRoot": FLAG, "runAsUser": NUMBER, "fsGroup": NUMBER, "seccompProfile": {"type": TEXT}},
    "containers": [CONTAINER],
    "volumes": [VOLUME],
}
TEMPLATE: Any = {"metadata": {"labels": LABELS, "annotations": LABELS}, "spec": POD}
HEAD: Any = {"apiVersion": TEXT, "kind": TEXT, "metadata": {"name": TEXT, "labels": LABELS}}
KINDS: dict[tuple[str, str], Any] = {
    ("apps/v1", "Deployment"): {
        **HEAD,
        "spec": {"replicas": NUMBER, "selector": {"matchLabels": LABELS}, "template": TEMPLATE},
    },
    ("batch/v1", "CronJob"): {
        **HEAD,
        "spec": {
            "schedule": TEXT,
            "concurrencyPolicy": TEXT,
            "startingDeadlineSeconds": NUMBER,
            "jobTemplate": {"spec": {"backoffLimit": NUMBER, "activeDeadlineSeconds": NUMBER, "template": TEMPLATE}},
        },
    },
    ("v1", "ConfigMap"): {**HEAD, "data": LABELS},
    ("v1", "PersistentVolumeClaim"): {**HEAD, "spec": {"accessModes": [TEXT], "resources": {"requests": LABELS}}},
}
"""The fields of the kinds that ship, as far as they are used, with their types."""


def misfits(value: Any, shape: Any, path: str = "") -> list[str]:
    """Return where a document is not of a shape."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{path}: no mapping"]
        other = shape.get("*")
        return [
            found
            for key, inner in value.items()
            for found in (
                misfits(inner, shape.get(key, other), f"{path}.{key}")
                if key in shape or other is not None
                else [f"{path}.{key}: unknown"]
            )
        ]
    if isinstance(shape, list):
        if not isinstance(value, list) or not value:
            return [f"{path}: no list"]
        return [found for i, item in enumerate(value) for found in misfits(item, shape[0], f"{path}[{i}]")]
    return [] if type(value) is shape else [f"{path}: {value!r} is no {shape.__name__}"]


def manifests() -> list[dict[str, Any]]:
    files = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    assert len(files) == 2
    return [document for file in files for document in yaml.safe_load_all(file.read_text())]


def pods() -> list[dict[str, Any]]:
    found = []
    for document in manifests():
        spec = document.get("spec", {})
        template = spec.get("template") or spec.get("jobTemplate", {}).get("spec", {}).get("template")
        if template:
            found.append(template["spec"])
    assert len(found) == 2
    return found


@pytest.mark.parametrize("document", manifests(), ids=lambda d: d["kind"])
def test_every_field_of_a_manifest_is_one_that_there_is(document: dict[str, Any]) -> None:
    assert misfits(document, KINDS[document["apiVersion"], document["kind"]]) == []


def test_the_check_of_manifests_can_fail() -> None:
    shape = KINDS["batch/v1", "CronJob"]
    assert misfits({"spec": {"every": "x"}}, shape) == [".spec.every: unknown"]
    assert misfits({"spec": {"schedule": 5}}, shape) == [".spec.schedule: 5 is no str"]


@pytest.mark.parametrize("pod", pods(), ids=["CronJob", "Deployment"])
def test_what_a_pod_names_is_there(pod: dict[str, Any]) -> None:
    volumes = {volume["name"] for volume in pod["volumes"]}
    for container in pod["containers"]:
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        ports = {port["name"] for port in container.get("ports", ())}
        probes = [container[p] for p in ("startupProbe", "livenessProbe") if p in container]
        assert {probe["httpGet"]["port"] for probe in probes} <= ports
        amounts = [q for of in container["resources"].values() for q in of.values()]
        assert all(QUANTITY.match(amount) for amount in amounts)
        assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    assert pod["terminationGracePeriodSeconds"] > STOP_S


@pytest.mark.parametrize("file", sorted((DEPLOY / "kubernetes").glob("*.yaml")), ids=lambda p: p.stem)
def test_a_manifest_by_itself_has_what_its_pod_names(file: Path) -> None:
    """Either is applied instead of the other. Secrets are made by hand, as variables: libpq reads no file of one."""
    documents = list(yaml.safe_load_all(file.read_text()))
    there = {(d["kind"], d["metadata"]["name"]) for d in documents}
    text = yaml.safe_dump_all(documents)
    named = {("ConfigMap", name) for name in re.findall(r"configMap:\s+name: (\S+)", text)}
    named |= {("PersistentVolumeClaim", name) for name in re.findall(r"claimName: (\S+)", text)}
    assert named and named <= there
    assert "PGPASSFILE" not in text


def test_what_is_written_has_a_volume_to_be_written_to() -> None:
    """Paths of a configuration are relative to it, and where it is mounted nothing can be written."""
    for configured in (d for d in manifests() if d["kind"] == "ConfigMap"):
        settings = service_config(config_from_document(yaml.safe_load(configured["data"]["remora.yaml"]), "/etc/x"))
        assert settings.state.is_relative_to("/var/lib/remora")
        assert settings.ledger.startswith(("postgresql://", "/var/lib/remora/"))


def test_a_deployment_selects_its_own_pods() -> None:
    (deployment,) = [d for d in manifests() if d["kind"] == "Deployment"]
    wanted = deployment["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize("name", ["remora-config", "remora-once-config"])
def test_the_configuration_in_the_manifest_is_one(name: str) -> None:
    (configured,) = [d for d in manifests() if d["kind"] == "ConfigMap" and d["metadata"]["name"] == name]
    config = config_from_document(yaml.safe_load(configured["data"]["remora.yaml"]), "remora.yaml")
    check_sections(config)
    settings = service_config(config)
    assert config.section("metrics", MetricsPart).listen == ("0.0.0.0:9479" if name == "remora-config" else "")
    assert config.section("log", LogPart).format == "json"
    assert config.section("inventory", InventoryPart).command
    assert settings.cycle.stop_s == STOP_S
    assert settings.automation.level.value == "observe"


def units() -> list[Path]:
    return sorted((DEPLOY / "systemd").glob("*.service"))


@pytest.mark.parametrize("unit", units(), ids=lambda p: p.name)
def test_systemd_finds_nothing_in_a_unit(unit: Path, tmp_path: Path) -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        why = "no systemd-analyze (apt-get install systemd)"
        if os.environ.get("CI") == "true" and "lab" not in os.environ.get("REMORA_WITHOUT", ""):
            pytest.fail(why)  # it comes with what the lab needs
        pytest.skip(why)
    program = tmp_path / "remora"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/remora/bin/remora", str(program)))
    asked = [tool, "verify", "--man=no", str(copy)]
    done = subprocess.run(
        asked, capture_output=True, text=True, check=False, env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"}
    )
    ours = [line for line in done.stderr.splitlines() if unit.name in line]
    assert (done.returncode, ours) == (0, []), done.stderr


def test_a_unit_waits_longer_than_the_service() -> None:
    text = (DEPLOY / "systemd" / "remora-run.service").read_text()
    assert int(re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)[1]) > STOP_S  # type: ignore[index]


def commands() -> list[list[str]]:
    """Return every command line that the units, the container and the manifests start."""
    found = [shlex.split(re.search(r"^ExecStart=(.+)$", u.read_text(), re.MULTILINE)[1])[1:] for u in units()]  # type: ignore[index]
    image = (DEPLOY / "container" / "Containerfile").read_text()
    found.append(yaml.safe_load(re.search(r"^CMD (.+)$", image, re.MULTILINE)[1]))  # type: ignore[index]
    return found + [container["args"] for pod in pods() for container in pod["containers"]]


@dataclass(frozen=True)
class Image:
    """What the steps of the Containerfile make, under a directory instead of the root."""

    root: Path
    env: dict[str, str]
    entry: list[str]

    def run(self, words: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
        where = self.env["PATH"].split(":")[0]
        asked = [f"{where}/{self.entry[0]}", *self.entry[1:], *words]
        return subprocess.run(asked, env=self.env, cwd=cwd, capture_output=True, text=True, check=False)


def instructions() -> list[tuple[str, str]]:
    """Return the Containerfile's instructions, lines that go on joined."""
    text = (DEPLOY / "container" / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def context(into: Path) -> None:
    """Copy what the image is built from: what git has and `.dockerignore` leaves."""
    ignored = [line.strip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] not in "#"]
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        parts = Path(name).parts
        ups = ["/".join(parts[: i + 1]) for i in range(len(parts))]
        if any(fnmatch(up, rule) or fnmatch(f"/{up}", rule.replace("**", "*")) for up in ups for rule in ignored):
            continue
        if (ROOT / name).exists():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, into / name)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Go through the Containerfile's steps in a bare virtual environment; what it depends on is lent by this one."""
    root = tmp_path_factory.mktemp("image")
    lent = root / "lent"
    lent.mkdir()
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if not package.name.startswith(("remora", "__editable__", "_remora")) and package.suffix != ".pth":
            (lent / package.name).symlink_to(package)
    env = {"PATH": os.environ["PATH"], "HOME": str(root), "PYTHONPATH": str(lent)}
    (root / "src").mkdir()
    entry: list[str] = []
    for word, rest in instructions():
        under = rest.replace("/opt/remora", f"{root}/opt/remora").replace("/var/lib/remora", f"{root}/var/lib/remora")
        if word == "COPY" and rest == ". .":
            context(root / "src")
        elif word == "RUN" and "pip install" in rest:
            alone = under.replace(
                "pip install", "pip install --no-deps --no-build-isolation --disable-pip-version-check"
            )
            subprocess.run(["sh", "-c", alone], cwd=root / "src", env=env, check=True, capture_output=True)
        elif word == "ENV":
            for said in shlex.split(under):
                name, _, value = said.partition("=")
                env[name] = value.replace("$PATH", env.get("PATH", ""))
        elif word == "ENTRYPOINT":
            entry = yaml.safe_load(rest)
    return Image(root, env, entry)


def test_the_containerfile_names_what_there_is() -> None:
    """Extras and the program are the package's own, and what is copied from the first stage was made there."""
    said = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = " ".join(f"{word} {rest}" for word, rest in instructions())
    extras = re.search(r"\.\[([a-z,]+)\]", text)[1].split(",")  # type: ignore[index]
    assert set(extras) <= said["optional-dependencies"].keys()
    assert yaml.safe_load(dict(instructions())["ENTRYPOINT"])[0] in said["scripts"]
    assert [rest.split()[0] for word, rest in instructions() if word == "FROM"] == [
        "docker.io/library/python:3.11-slim"
    ] * 2
    assert "--from=build /opt/remora /opt/remora" in text and "python -m venv /opt/remora" in text
    user, volume = dict(instructions())["USER"], json.loads(dict(instructions())["VOLUME"])[0]
    assert f"--uid {user} --home-dir {volume}" in text and f"NUMBA_CACHE_DIR={volume}/" in text


@pytest.mark.slow
def test_the_commands_run_from_an_image_of_the_containerfile(image: Image, tmp_path: Path) -> None:
    for name in ("four.json", "remora.yaml"):
        shutil.copy(ROOT / "docs" / "examples" / name, tmp_path)
    site = next((image.root / "opt" / "remora" / "lib").glob("python3*/site-packages"))
    assert list((site / "optimizer" / "__pycache__").glob("*.pyc"))
    page = site / "optimizer" / "service" / "page"
    assert (page / "templates" / "home.html").exists() and list((page / "static").glob("htmx*"))
    for words in commands():
        words = [str(tmp_path / "remora.yaml") if word == "/etc/remora/remora.yaml" else word for word in words]
        once = ["--once"] if words[0] == "run" and "--once" not in words else []
        done = image.run(["serve", "--help"] if words[0] == "serve" else [*words, *once], tmp_path)
        assert done.returncode in (0, 1), done.stderr
        assert "Traceback" not in done.stderr
    assert (tmp_path / "cycles.sqlite").exists()
