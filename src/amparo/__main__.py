"""``python -m amparo``: the command line."""

from amparo.cli.common import main

main()
