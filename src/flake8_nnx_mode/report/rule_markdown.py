"""What there is to know about one rule, as a page of Markdown."""

from flake8_nnx_mode.codes import OwnCode
from flake8_nnx_mode.rules import Entry, Rule

_FIXES = {
    "safe": "Where it offers a fix, that is safe: `nnx-mode fix --write`.",
    "unsafe": "Where it offers a fix, that is unsafe: `nnx-mode fix --write --unsafe`.",
    None: "It offers no fix.",
}


def page(entry: Entry | OwnCode) -> str:
    """The page: a title, how to use the rule, its documentation, its examples."""
    title = f"# {entry.name} ({entry.code})"
    if isinstance(entry, OwnCode):
        return f"{title}\n\n{entry.documentation}\n"
    return f"""\
{title}

{_use(entry.code, entry.rule)}

{entry.documentation}

## Example

{_fenced(entry.bad)}

Use instead:

{_fenced(entry.good)}
"""


def _fenced(code: str) -> str:
    return f"```python\n{code.strip()}\n```"


def _use(code: str, rule: Rule) -> str:
    """How to switch it on, and to mend and confirm what it finds, in a line."""
    on = "On by default."
    opt_in = f'`opt-in = ["{code}"]` in `[tool.nnx-mode]`'
    off = f"Off by default; `--extend-select {code}` switches it on, or {opt_in}."
    confirm = f"`nnx-mode confirm` can{'' if rule.oracle else 'not'} show it on JAX."
    sentences = [on if rule.on else off, _FIXES[rule.fix], confirm]
    if rule.since > (0, 0):
        sentences.append(f"It is about flax {'.'.join(map(str, rule.since))} and later.")
    return " ".join(sentences)
