"""`python -m medsnap` is the same as the `medsnap` script."""

from __future__ import annotations


def main() -> None:
    """Run the command line. Loaded then only: worker processes read this module again to no end."""
    from medsnap.cli import main as run

    run()


if __name__ == "__main__":
    main()
