"""All verbs of the command line, gathered from the modules that hold them."""

import click

import amparo as package
from amparo.cli import day, demo, keeping, output, reading, workspace
from amparo.kernel.i18n import _


@click.group(help=_("Amparo takes testimony and evidence from first contact to courtroom, without exposing the people who speak."))
@click.version_option(package.__version__, prog_name="amparo")
def amparo() -> None:
    """The root of all verbs."""


for module in (workspace, day, reading, output, keeping, demo):
    for command in module.COMMANDS:
        amparo.add_command(command)
