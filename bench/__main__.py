"""``python bench``: measures what linting and confirming cost, in one go, and prints ratios.

Each part writes its tables into docs/speed.md, too. With ``--short`` it measures a little of the
growth and the shares, on files that are in the repository, writes nothing, and exits with 1 where a
ratio is far beyond what it should be: `.ci/run` does so. No test asserts a time.
"""

import argparse
import sys

import confirm
import growth
import lint
import memory
import peers
import report
import shares

PARTS = {
    "growth": growth.main,
    "lint": lint.main,
    "shares": shares.main,
    "peers": peers.main,
    "memory": memory.main,
    "confirm": confirm.main,
}


def main() -> int:
    """Run what is asked for; everything unless told otherwise."""
    parser = argparse.ArgumentParser(
        prog="python bench", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run (default 3)")
    parser.add_argument("--short", action="store_true", help="a minute, with generous bounds")
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    if options.short:
        return 1 if [*growth.too_steep(), *lint.too_dear()] else 0
    begun = report.machine()
    print(begun)
    for part in options.parts or PARTS:
        report.write(part, begun, PARTS[part](options.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
