"""The hooks of .pre-commit-hooks.yaml, run by the real pre-commit in a scratch repository.

It clones this project from a copy of the working tree and installs it, as it would from elsewhere.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from command import PLAIN
from conftest import EXAMPLES, ROOT
from flake8_nnx_mode import __version__
from pages import shown

# What this machine's user and an outer pre-commit or git say is not for scratch repositories.
QUIET = {k: v for k, v in PLAIN.items() if not k.startswith(("GIT_", "PRE_COMMIT", "PYTHONPATH"))}
AUTHOR = {
    f"GIT_{who}_{what}": f"tester{mark}"
    for who in ("AUTHOR", "COMMITTER")
    for what, mark in (("NAME", ""), ("EMAIL", "@example.org"))
}
ENV = {**QUIET, **AUTHOR, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
MENDABLE = (EXAMPLES / "pitfall_mode_not_passed.py").read_text(encoding="utf-8")
UNSAFE = (EXAMPLES / "pitfall_frozen_key.py").read_text(encoding="utf-8")
CLEAN = (EXAMPLES / "noise_layer.py").read_text(encoding="utf-8")
SHOWN = shown("pre-commit", "yaml")


def git(*args: str, cwd: Path) -> None:
    subprocess.run(["git", *args], cwd=cwd, env=ENV, check=True, capture_output=True)


@dataclass(frozen=True)
class Repository:
    """A user's, with a .pre-commit-config.yaml and files that are staged."""

    path: Path
    home: Path

    def add(self, files: Mapping[str, str] | None = None) -> None:
        """Write ``files``, and stage them and all other changes."""
        for name, text in (files or {}).items():
            file = self.path / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        git("add", "-A", cwd=self.path)

    def run(self, *args: str) -> tuple[int, str]:
        """The exit status of ``pre-commit run``, and what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "pre_commit", "run", "--color", "never", *args],
            cwd=self.path,
            env={**ENV, "PRE_COMMIT_HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=600,
        )
        return done.returncode, done.stdout + done.stderr

    def configure(self, config: str) -> None:
        self.add({".pre-commit-config.yaml": config})


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> tuple[Path, Path]:
    """This project as a git repository with a tag, and where pre-commit keeps what it installs.

    Both are shared by all workers of a run: pre-commit installs the hooks once.
    """
    base = tmp_path_factory.getbasetemp()
    base = base if worker_id == "master" else base.parent
    project, home = base / "project", base / "pre-commit"
    with FileLock(base / "project.lock"):
        if not project.exists():
            unfinished = base / "unfinished"
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / "src", unfinished / "src", ignore=ignored)
            for name in ("pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"):
                shutil.copy(ROOT / name, unfinished)
            git("init", "-q", cwd=unfinished)
            git("add", "-A", cwd=unfinished)
            git("commit", "-qm", "all", cwd=unfinished)
            git("tag", *re.findall(r"rev: (.*)", SHOWN), cwd=unfinished)
            unfinished.rename(project)
    return project, home


@pytest.fixture
def repository(published: tuple[Path, Path], tmp_path: Path) -> Repository:
    """One with the configuration that docs/use.md shows, but for where the project is."""
    project, home = published
    git("init", "-q", cwd=tmp_path)
    repository = Repository(tmp_path, home)
    repository.configure(re.sub(r"(?<=repo: ).*", str(project), SHOWN))
    return repository


def with_args(repository: Repository, hook: str, args: str) -> None:
    config = (repository.path / ".pre-commit-config.yaml").read_text()
    changed = config.replace(f"id: {hook}\n", f"id: {hook}\n        args: {args}\n")
    assert changed != config
    repository.configure(changed)


def test_the_page_names_this_version() -> None:
    assert f"rev: v{__version__}\n" in SHOWN


def test_right_code_passes(repository: Repository) -> None:
    repository.add({"layer.py": CLEAN})
    status, said = repository.run()
    assert re.findall(r"^nnx-mode (\w+)\.+(\w+)$", said, re.M) == [
        ("fix", "Passed"),
        ("check", "Passed"),
    ]
    assert status == 0


def test_what_is_found_fails_and_is_shown(repository: Repository) -> None:
    repository.add({"net.py": UNSAFE})
    status, said = repository.run("nnx-mode-check")
    assert "nnx-mode check" in said
    assert "--> net.py:13:30" in said
    assert "Found 1 error." in said
    assert status == 1


def test_a_fix_fails_once_and_passes_when_it_is_added(repository: Repository) -> None:
    repository.add({"net.py": MENDABLE})
    status, said = repository.run("nnx-mode-fix")
    assert "files were modified by this hook" in said
    assert status == 1
    mended = (repository.path / "net.py").read_text(encoding="utf-8")
    assert mended == MENDABLE.replace("block(x)", "block(x, train=train)")
    repository.add()
    status, said = repository.run()
    assert said.count("Passed") == 2
    assert status == 0


def test_what_cannot_be_mended_fails_and_stays(repository: Repository) -> None:
    repository.add({"net.py": UNSAFE})
    status, said = repository.run("nnx-mode-fix")
    assert "net.py:13:30: NNX101 left as it is: its fix is unsafe" in said
    assert "files were modified" not in said
    assert status == 1
    assert (repository.path / "net.py").read_text(encoding="utf-8") == UNSAFE


def test_args_are_options_of_the_command(repository: Repository) -> None:
    repository.add({"net.py": UNSAFE})
    with_args(repository, "nnx-mode-check", "[--select, NNX2]")
    assert repository.run("nnx-mode-check")[0] == 0
    with_args(repository, "nnx-mode-fix", "[--unsafe]")
    assert "files were modified by this hook" in repository.run("nnx-mode-fix")[1]
    assert "self.rngs.dropout()" in (repository.path / "net.py").read_text(encoding="utf-8")


def test_settings_count_for_files_that_are_named(repository: Repository) -> None:
    repository.add(dict.fromkeys(("old/net.py", "tests/net.py", "net.py"), UNSAFE))
    (repository.path / "pyproject.toml").write_text(
        '[tool.nnx-mode]\nexclude = ["old"]\nper-file-ignores = {"tests/*" = ["NNX1"]}\n'
    )
    status, said = repository.run("nnx-mode-check", "--all-files")
    assert re.findall(r"--> (.*?):", said) == ["net.py"]
    assert status == 1


def test_other_files_of_the_project_are_read(repository: Repository) -> None:
    """The net alone is staged; that its block takes a mode stands in a file that is not."""
    blocks, net = MENDABLE.split("class ForgetfulNet")
    repository.add({"pkg/__init__.py": "", "pkg/blocks.py": blocks})
    git("commit", "-qm", "blocks", cwd=repository.path)
    head = "from flax import nnx\nfrom pkg.blocks import Block\n\n\nclass ForgetfulNet"
    repository.add({"pkg/net.py": head + net})
    status, said = repository.run("nnx-mode-check")
    assert "NNX201 [*] `block` is not told the mode" in said
    assert re.findall(r"--> (.*?):", said) == ["pkg/net.py"]
    assert status == 1


def test_only_python_files_are_given(repository: Repository) -> None:
    repository.add({"notes.md": "nnx\n"})
    assert repository.run()[1].count("(no files to check)Skipped") == 2
