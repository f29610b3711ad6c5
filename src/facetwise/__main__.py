"""`facetwise`, also as `python -m facetwise`: Ctrl-C while the program still loads is no traceback either."""

import sys


def main() -> None:
    """Load the program and run it."""
    try:
        from facetwise.cli.main import main as run

        run()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write("\nstopped; nothing was begun\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
