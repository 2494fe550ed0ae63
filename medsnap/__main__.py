"""`python -m medsnap` is the same as the `medsnap` script."""

from medsnap.cli import main

if __name__ == "__main__":
    main()
