"""Run rung as `python -m rung`."""

from workers.cli import main

if __name__ == "__main__":
    main()
