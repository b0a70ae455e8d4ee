"""The pipelines: examples/ci for users, and our own. They are what their schemas say, and they run.

What the jobs of the examples run is run here, in bash as GitHub and GitLab do it, in a scratch
project; all but ``pip``, which only notes what it is to install: the command is installed already.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from command import PLAIN
from conftest import EXAMPLES, ROOT

GITHUB = EXAMPLES / "ci" / "github.yml"
GITLAB = EXAMPLES / "ci" / "gitlab.yml"
OURS = ROOT / ".github" / "workflows" / "ci.yml"
SCHEMAS = [
    (GITHUB, ["vendor.github-workflows"]),
    (OURS, ["vendor.github-workflows"]),
    (GITLAB, ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"]),
]
PITFALLS = ("frozen_key", "mode_not_passed")
PARTS = 4


@dataclass(frozen=True)
class Job:
    """What one machine runs."""

    name: str
    steps: tuple[str, ...]
    variables: Mapping[str, str]
    shell: tuple[str, ...]


@dataclass(frozen=True)
class Ran:
    """What came of it."""

    status: int
    printed: str
    installed: Sequence[str]


def read(file: Path) -> Any:
    return YAML(typ="safe").load(file.read_text(encoding="utf-8"))


def filled(text: str, context: Mapping[str, str]) -> str:
    """The command with the values of its ``${{ ... }}``."""
    return re.sub(r"\$\{\{ (\S+) \}\}", lambda match: context[match[1]], text)


def on_github() -> Iterator[Job]:
    workflow = read(GITHUB)
    for name, job in workflow["jobs"].items():
        shards = job.get("strategy", {}).get("matrix", {}).get("shard", [None])
        for shard in shards:
            context = {"matrix.shard": str(shard), "strategy.job-total": str(len(shards))}
            runs = [step["run"] for step in job["steps"] if "run" in step]
            steps = tuple(filled(run, context) for run in runs)
            yield Job(name, steps, workflow["env"], ("bash", "-e"))


def on_gitlab() -> Iterator[Job]:
    pipeline = read(GITLAB)
    for name, job in pipeline.items():
        if "script" not in job:
            continue
        parts = job.get("parallel", 1)
        for number in range(1, parts + 1):
            variables = {"CI_NODE_INDEX": str(number), "CI_NODE_TOTAL": str(parts)}
            script = ("\n".join(job["script"]),)  # one shell for all lines
            yield Job(
                name, script, {**pipeline["variables"], **variables}, ("bash", "-eo", "pipefail")
            )


JOBS = {
    "github check": [job for job in on_github() if job.name == "check"],
    "github confirm": [job for job in on_github() if job.name == "confirm"],
    "gitlab check": [job for job in on_gitlab() if job.name == "nnx-mode-check"],
    "gitlab confirm": [job for job in on_gitlab() if job.name == "nnx-mode-confirm"],
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """One with a layer that is right."""
    folder = tmp_path / "project"
    folder.mkdir()
    layer = (EXAMPLES / "noise_layer.py").read_text(encoding="utf-8")
    (folder / "layer.py").write_text(layer, encoding="utf-8")
    return folder


def add_pitfalls(project: Path) -> None:
    for name in PITFALLS:
        text = (EXAMPLES / f"pitfall_{name}.py").read_text(encoding="utf-8")
        (project / f"{name}.py").write_text(text, encoding="utf-8")


def run(job: Job, project: Path) -> Ran:
    """Run its steps, up to the first that fails."""
    tools = project.parent / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "pip").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tools / "asked"}\n')
    (tools / "pip").chmod(0o755)
    (tools / "nnx-mode").write_text(f'#!/bin/sh\nexec {sys.executable} -m flake8_nnx_mode "$@"\n')
    (tools / "nnx-mode").chmod(0o755)
    env = {**PLAIN, **job.variables, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    printed = ""
    for step in job.steps:
        done = subprocess.run(
            [*job.shell, "-c", step], cwd=project, env=env, capture_output=True, text=True
        )
        printed += done.stdout + done.stderr
        if done.returncode:
            break
    return Ran(done.returncode, printed, (tools / "asked").read_text().splitlines())


@pytest.mark.parametrize(("file", "schema"), SCHEMAS, ids=["github", "ours", "gitlab"])
def test_they_are_what_the_schema_says(file: Path, schema: list[str]) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *schema, str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_the_schemas_see_mistakes(tmp_path: Path) -> None:
    """Else the test above says nothing."""
    for file, schema in SCHEMAS:
        text = file.read_text(encoding="utf-8")
        wrong = tmp_path / file.name
        wrong.write_text(re.sub(r"^( +)(steps|script):", r"\1stepz:", text, flags=re.M))
        command = [
            sys.executable,
            "-m",
            "check_jsonschema",
            "--builtin-schema",
            *schema,
            str(wrong),
        ]
        assert subprocess.run(command, capture_output=True).returncode == 1, file


def test_ours_runs_what_contributors_run() -> None:
    steps = read(OURS)["jobs"]["ci"]["steps"]
    (command,) = [step["run"] for step in steps if "run" in step]
    assert os.access(ROOT / command, os.X_OK)


@pytest.mark.parametrize("name", JOBS)
def test_right_code_passes(name: str, project: Path) -> None:
    for job in JOBS[name]:
        ran = run(job, project)
        assert ran.status == 0, ran.printed
        wanted = [job.variables["NNX_MODE"]]
        wanted[:0] = ["."] if "confirm" in name else []  # which imports the project
        assert ran.installed == ["install", *wanted]


@pytest.mark.parametrize("name", ["github check", "gitlab check"])
def test_findings_fail_the_first_job_and_are_kept(name: str, project: Path) -> None:
    add_pitfalls(project)
    (job,) = JOBS[name]
    ran = run(job, project)
    assert ran.status == 1
    shown = r"^::error title=(NNX\d+)" if "github" in name else r"^(NNX\d+) "
    assert re.findall(shown, ran.printed, re.M) == ["NNX101", "NNX201"]
    log = json.loads((project / "nnx-mode.sarif").read_text(encoding="utf-8"))
    official = (ROOT / "tests" / "data" / "sarif-schema-2.1.0.json").read_text(encoding="utf-8")
    jsonschema.validate(log, json.loads(official))
    assert [result["ruleId"] for result in log["runs"][0]["results"]] == ["NNX101", "NNX201"]
    kept = {"github": "sarif_file: nnx-mode.sarif\n", "gitlab": "paths: [nnx-mode.sarif]\n"}
    host = name.split()[0]
    assert kept[host] in (EXAMPLES / "ci" / f"{host}.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["github confirm", "gitlab confirm"])
def test_each_part_runs_its_findings(name: str, project: Path) -> None:
    """Two of the four parts have one that is seen to happen, and fail."""
    add_pitfalls(project)
    text = (project / f"{PITFALLS[0]}.py").read_text(encoding="utf-8")
    text = text.replace("import jax\n", "import jax\nimport nowhere\n")
    text = text.replace("0.1 *", "nowhere.SIZE *")
    (project / "unclear.py").write_text(text, encoding="utf-8")
    ran = [run(job, project) for job in JOBS[name]]
    assert len(ran) == PARTS
    verdicts = [re.findall(r"NNX\d+ [A-Z]+", one.printed) for one in ran]
    assert sorted(verdicts) == [
        [],
        ["NNX101 CONFIRMED"],
        ["NNX101 INCONCLUSIVE"],
        ["NNX201 CONFIRMED"],
    ]
    assert [one.status for one in ran] == ["CONFIRMED" in str(found) for found in verdicts]


@pytest.mark.parametrize("file", [GITHUB, GITLAB], ids=["github", "gitlab"])
def test_with_a_baseline_only_what_is_new_fails(file: Path, project: Path) -> None:
    """The commands are those in the comments."""
    text = file.read_text(encoding="utf-8")
    (write,) = re.findall(r"`(nnx-mode check .*)`", text)
    (gate,) = re.findall(r"# - (?:run: )?(nnx-mode .*)", text)
    (job,) = JOBS[f"{file.stem} check"]

    def runs(command: str) -> Ran:
        return run(Job(job.name, ("pip", command), job.variables, job.shell), project)

    (project / "old.py").write_bytes((EXAMPLES / "pitfall_frozen_key.py").read_bytes())
    assert runs(write).status == 0
    assert runs(gate).status == 0
    add_pitfalls(project)
    ran = runs(gate)
    assert ran.status == 1
    assert re.findall(r"^(?:::error title=)?(NNX\d+)", ran.printed, re.M) == ["NNX101", "NNX201"]
