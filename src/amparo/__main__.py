"""``python -m amparo``: the command line."""

from amparo.cli.common import main

if __name__ == "__main__":
    main()
