"""``nnx-mode fix``, through the real command, and what it is made of."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from command import COMMAND, nnx_mode, on_a_terminal
from conftest import EXAMPLES, ROOT, lint
from flake8_nnx_mode.fixes import write
from flake8_nnx_mode.fixes.rounds import fixed
from flake8_nnx_mode.model import Applicability, Edit, Finding, Fix, Position, Span

SAFE = (EXAMPLES / "pitfall_mode_not_passed.py").read_text(encoding="utf-8")
MENDED = SAFE.replace("x = block(x)", "x = block(x, train=train)")
UNSAFE = (EXAMPLES / "pitfall_params_stream.py").read_text(encoding="utf-8")
UNSAFE_MENDED = UNSAFE.replace("self.rngs.params()", "self.rngs.dropout()")
ALONE = "net.py:13:48: NNX102 left as it is: its fix is unsafe, and made with --unsafe only\n"


def test_a_diff_is_shown_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(SAFE)
    done = nnx_mode("fix", cwd=tmp_path)
    assert done.stdout == (
        "--- net.py\n"
        "+++ net.py\n"
        "@@ -18,5 +18,5 @@\n"
        " \n"
        "     def __call__(self, x, train: bool):\n"
        "         for block in self.blocks:\n"
        "-            x = block(x)\n"
        "+            x = block(x, train=train)\n"
        "         return x\n"
    )
    assert done.stderr == "Would fix 1 error, 0 remaining.\n"
    assert done.returncode == 1
    assert (tmp_path / "net.py").read_text() == SAFE
    assert nnx_mode("fix", "--exit-zero", cwd=tmp_path).returncode == 0


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_the_diff_is_a_patch(tmp_path: Path, end: str) -> None:
    text = SAFE.rstrip("\n").replace("\n", end or "\n") + end
    (tmp_path / "net.py").write_bytes(text.encode())
    diff = subprocess.run([*COMMAND, "fix"], cwd=tmp_path, capture_output=True).stdout
    subprocess.run(["git", "apply", "-p0", "-"], cwd=tmp_path, input=diff, check=True)
    wanted = text.replace("x = block(x)", "x = block(x, train=train)")
    assert (tmp_path / "net.py").read_bytes() == wanted.encode()


def test_write(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(SAFE)
    done = nnx_mode("fix", "--write", cwd=tmp_path)
    assert (done.stdout, done.returncode) == ("", 0)
    assert done.stderr == "Found 1 error (1 fixed, 0 remaining).\n"
    assert (tmp_path / "net.py").read_text() == MENDED
    again = nnx_mode("fix", "--write", cwd=tmp_path)
    assert (again.stdout, again.stderr, again.returncode) == ("", "All checks passed!\n", 0)


def test_unsafe_fixes_are_made_on_request(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(UNSAFE)
    left = nnx_mode("fix", "--write", cwd=tmp_path)
    assert left.stderr == ALONE + "Found 1 error (0 fixed, 1 remaining).\n"
    assert left.returncode == 1
    assert (tmp_path / "net.py").read_text() == UNSAFE
    done = nnx_mode("fix", "--write", "--unsafe", cwd=tmp_path)
    assert done.stderr == "Found 1 error (1 fixed, 0 remaining).\n"
    assert (tmp_path / "net.py").read_text() == UNSAFE_MENDED


def test_without_write_places_are_those_of_the_file_as_it_is(tmp_path: Path) -> None:
    saved = (EXAMPLES / "pitfall_rngs_not_saved.py").read_text(encoding="utf-8")
    (tmp_path / "net.py").write_text(saved + UNSAFE.replace("params()", "params"))
    shown = nnx_mode("fix", "--unsafe", "--select", "NNX103", cwd=tmp_path)
    lines = (tmp_path / "net.py").read_text().splitlines()
    for line in shown.stderr.splitlines()[:-1]:
        assert "rngs" in lines[int(line.split(":")[1]) - 1]


def test_only_what_is_selected_is_mended(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(SAFE)
    done = nnx_mode("fix", "--write", "--select", "NNX1", cwd=tmp_path)
    assert done.stderr == "All checks passed!\n"
    assert (tmp_path / "net.py").read_text() == SAFE


def test_a_silenced_finding_is_left_alone(tmp_path: Path) -> None:
    text = SAFE.replace("x = block(x)", "x = block(x)  # noqa: NNX201")
    (tmp_path / "net.py").write_text(text)
    nnx_mode("fix", "--write", cwd=tmp_path)
    assert (tmp_path / "net.py").read_text() == text


def test_unused_noqa_is_removed_on_request(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("from flax import nnx\nx = 1  # noqa: NNX101\n")
    nnx_mode("fix", "--write", "--unused-noqa", cwd=tmp_path)
    assert (tmp_path / "net.py").read_text() == "from flax import nnx\nx = 1\n"


def test_standard_input(tmp_path: Path) -> None:
    done = nnx_mode("fix", "--write", "-", cwd=tmp_path, stdin=SAFE)
    assert (done.stdout, done.returncode) == (MENDED, 0)
    same = nnx_mode("fix", "--write", "-", cwd=tmp_path, stdin="import os\n")
    assert (same.stdout, same.returncode) == ("import os\n", 0)
    left = nnx_mode("fix", "--write", "--stdin-filename", "net.py", "-", cwd=tmp_path, stdin=UNSAFE)
    assert (left.stdout, left.returncode) == (UNSAFE, 1)
    assert left.stderr.startswith(ALONE)
    diff = nnx_mode("fix", "-", cwd=tmp_path, stdin=SAFE)
    assert diff.stdout.startswith("--- -\n+++ -\n@@ ")


def test_standard_input_that_is_excluded_is_passed_on(tmp_path: Path) -> None:
    options = ("--stdin-filename", "net.py", "--exclude", "net.py", "--force-exclude")
    done = nnx_mode("fix", "--write", *options, "-", cwd=tmp_path, stdin=SAFE)
    assert (done.stdout, done.returncode) == (SAFE, 0)


def test_a_missing_file_fails_the_run(tmp_path: Path) -> None:
    assert nnx_mode("fix", "gone.py", cwd=tmp_path).returncode == 1
    assert nnx_mode("fix", "--write", "gone.py", cwd=tmp_path).returncode == 1


def test_what_cannot_be_read_is_told_of_and_the_rest_is_mended(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(SAFE)
    (tmp_path / "broken.py").write_text("from flax import nnx\ndef (\n")
    (tmp_path / "latin.py").write_bytes(b"# nnx\n# \xe4\n")
    done = nnx_mode("fix", "--write", ".", "gone.py", cwd=tmp_path)
    broken, gone, latin, summary = done.stderr.splitlines()
    assert broken.startswith("broken.py:2:5: NNX000 ")
    assert gone.startswith("gone.py:1:1: NNX000 this file cannot be read: ")
    assert latin.startswith("latin.py:2:3: NNX000 this file cannot be decoded: ")
    assert summary == "Found 4 errors (1 fixed, 3 remaining)."
    assert (tmp_path / "net.py").read_text() == MENDED
    assert done.returncode == 1


def test_colours_only_on_a_terminal(tmp_path: Path) -> None:
    path = "examples/pitfall_mode_not_passed.py"
    assert "\x1b[31m-            x = block(x)" in on_a_terminal(100, "fix", path, status=1)
    assert "\x1b" not in nnx_mode("fix", path).stdout


# -- What a file is besides its text -------------------------------------------------------------

SOUND = "# -*- coding: latin-1 -*-\n# schön\n"


@pytest.mark.parametrize(
    "dressed",
    [
        lambda text: text.encode(),
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.replace("\n", "\r\n", 5).encode(),
        lambda text: text.rstrip("\n").encode(),
        lambda text: (SOUND + text).encode("latin-1"),
        lambda text: ("# ☃ 名\f\n" + text).encode(),
    ],
    ids=["plain", "BOM", "CRLF", "CR", "mixed", "no end", "latin-1", "odd"],
)
@pytest.mark.parametrize(("before", "after"), [(SAFE, MENDED), (UNSAFE, UNSAFE_MENDED)])
def test_all_else_stays(
    tmp_path: Path, dressed: Callable[[str], bytes], before: str, after: str
) -> None:
    file = tmp_path / "net.py"
    file.write_bytes(dressed(before))
    assert nnx_mode("fix", "--write", "--unsafe", file).returncode == 0
    assert file.read_bytes() == dressed(after)
    assert [path.name for path in tmp_path.iterdir()] == ["net.py"]


@pytest.mark.skipif(sys.platform == "win32", reason="modes are Unix's")
def test_permissions_and_links_stay(tmp_path: Path) -> None:
    file, link = tmp_path / "net.py", tmp_path / "link.py"
    file.write_text(SAFE)
    file.chmod(0o754)
    link.symlink_to("net.py")
    nnx_mode("fix", "--write", link)
    assert file.read_text() == MENDED
    assert stat.S_IMODE(file.stat().st_mode) == 0o754
    assert link.is_symlink()


def test_a_file_that_changed_meanwhile_is_left(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_bytes(b"new")
    with pytest.raises(write.NotWrittenError, match="changed meanwhile"):
        write.replace(file, "old", "mended")
    assert file.read_bytes() == b"new"
    with pytest.raises(write.NotWrittenError, match="cannot be written: No such file"):
        write.replace(tmp_path / "gone.py", "old", "mended")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_file_that_may_not_be_written_is_left(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(SAFE)
    file.chmod(0o444)
    done = nnx_mode("fix", "--write", file)
    assert f"error: {file} was not changed: it is not writable" in done.stderr
    assert done.returncode == 2


def test_the_encoding_must_have_the_text() -> None:
    data = b"# -*- coding: latin-1 -*-\n\xe4 = 1\n"
    assert write.encoded("# -*- coding: latin-1 -*-\n\xe4 = 2\n", data).endswith(b"\xe4 = 2\n")
    with pytest.raises(write.NotWrittenError, match="iso-8859-1 has no '名'"):
        write.encoded("# -*- coding: latin-1 -*-\n名 = 1\n", data)


# -- Rounds --------------------------------------------------------------------------------------


def finding(
    text: str, old: str, new: str, code: str = "NNX201", kind: Applicability = "safe"
) -> Finding:
    """A mistake in the one line of ``text``, and a fix."""
    start = text.index(old)
    span = Span(Position(1, start), Position(1, start + len(old)))
    return Finding(span, code, f"{old}; {new}", Fix(kind, (Edit(span, new),)))


def words(**fixes: str) -> Callable[[str], list[Finding]]:
    """Lints: each word is a mistake that its fix mends."""
    return lambda text: sorted(
        finding(text, old, new) for old, new in fixes.items() if old in text.split()
    )


def test_fixes_are_made_in_rounds() -> None:
    """The fix of `a+b` overlaps that of `a`, which comes first."""

    def lint(text: str) -> list[Finding]:
        return [finding(text, old, old.upper()) for old in ("a", "a+b", "b") if old in text]

    done = fixed("a+b", lint, lambda f: True)
    assert done.text == "A+B"
    assert len(done.found) == 3
    assert (done.left, done.refused) == ((), {})


def test_what_would_not_parse_is_refused_and_the_rest_is_made() -> None:
    done = fixed("a + b", words(a="(", b="c"), lambda f: True)
    assert done.text == "a + c"
    assert [f.code for f in done.left] == ["NNX201"]
    assert list(done.refused.values()) == ["the file would no longer parse"]


def test_what_would_be_reported_anew_is_refused() -> None:
    def lint(text: str) -> list[Finding]:
        found = words(a="b", x="y")(text)
        return [*found, finding(text, "b", "b", "NNX101")] if "b" in text.split() else found

    done = fixed("a + x", lint, lambda f: True)
    assert done.text == "a + y"
    assert list(done.refused.values()) == ["NNX101 would be reported"]


def test_a_mistake_that_hides_another_is_mended_with_it() -> None:
    """Behind `a` comes `b` to light, which has a fix too; behind `x` comes `y`, which has none."""

    def lint(text: str) -> list[Finding]:
        parts = text.split()
        found = words(a="b", x="y")(text)
        found += [finding(text, "b", "c", "NNX101")] if "b" in parts else []
        if "y" in parts:
            found.append(Finding(Span(Position(1, 0), Position(1, 1)), "NNX102", "y; -"))
        return found

    done = fixed("a + x", lint, lambda f: True)
    assert done.text == "c + x"
    assert list(done.refused.values()) == ["NNX102 would be reported"]


def test_what_touches_a_refused_fix_is_made() -> None:
    def lint(text: str) -> list[Finding]:
        return [finding(text, old, new) for old, new in (("a+", "("), ("+b", "+B")) if old in text]

    done = fixed("a+b", lint, lambda f: True)
    assert done.text == "a+B"
    assert list(done.refused.values()) == ["the file would no longer parse"]


def test_a_fix_that_mends_nothing_is_refused() -> None:
    done = fixed("a + x", words(a="a", x="y"), lambda f: True)
    assert done.text == "a + y"
    assert list(done.refused.values()) == ["NNX201 would still be reported"]


def test_two_fixes_that_undo_each_other_end() -> None:
    done = fixed("a", words(a="b", b="a"), lambda f: True)
    assert done.text == "a"
    assert list(done.refused.values()) == ["NNX201 would still be reported"]


def test_only_wanted_fixes_are_made() -> None:
    done = fixed("a + b", words(a="c", b="c"), lambda f: f.span.start.column == 0)
    assert done.text == "c + b"
    assert len(done.left) == 1


def test_real_fixes_that_touch_are_made_one_after_the_other() -> None:
    """Two reads of an `Rngs` that is not saved want the same line at the end of `__init__`."""
    text = (ROOT / "tests" / "fixtures" / "nnx103.py").read_text(encoding="utf-8")
    text = text.partition("# -- look-alikes")[0]
    done = fixed(text, lint, lambda f: f.code == "NNX103")
    assert not [f for f in lint(done.text) if f.code == "NNX103" and f.fix]
    assert len(done.left) < len(done.found)
