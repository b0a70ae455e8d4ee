"""``python bench``: measures what linting costs, in one go, and prints ratios.

Nothing here is a test, and nothing fails for being slow: `.ci/run` does not run it.
Confirming has a command of its own, ``python bench/confirm.py``.
"""

import argparse

import growth
import lint
import peers

PARTS = ("growth", "lint", "peers")


def main() -> None:
    """Run what is asked for; everything unless told otherwise."""
    parser = argparse.ArgumentParser(
        prog="python bench", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each is run (default 5)")
    parser.add_argument("--every", type=int, default=1, help="take each n-th file only (default 1)")
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    parts = options.parts or PARTS
    if "growth" in parts:
        growth.main(options.rounds)
    if "lint" in parts:
        lint.main(options.rounds, options.every)
    if "peers" in parts:
        peers.main(options.rounds, options.every)


if __name__ == "__main__":
    main()
