"""``python -m graphkit``: the same as the command ``graphkit``."""

from graphkit.cli.main import main

if __name__ == "__main__":
    main()
