"""Words and lines as all formats for people have them."""


def one_line(text: str) -> str:
    """``text`` without what would steer a terminal: some of it comes from the code that ran.

    As many characters as before.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def plural(number: int, noun: str) -> str:
    """``(2, "fix")`` -> ``2 fixes``."""
    if number == 1:
        return f"1 {noun}"
    if noun.endswith("y"):
        return f"{number} {noun[:-1]}ies"
    return f"{number} {noun}{'es' if noun.endswith('x') else 's'}"
