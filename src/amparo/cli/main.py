"""All verbs of the command line. A verb's module is loaded when it is called, so that each starts quickly."""

import importlib
from typing import Final

import click

import amparo as package
from amparo.kernel.i18n import _

VERBS: Final = {
    "init": "workspace", "unlock": "workspace", "lock": "workspace", "panic": "workspace", "recover": "workspace",
    "backup": "workspace", "restore": "workspace",
    "import": "day", "person": "day", "interview": "day", "consent": "day", "correct": "day", "link": "day", "erase": "day",
    "status": "reading", "search": "reading", "show": "reading", "trace": "reading",
    "dossier": "output", "verify": "keeping", "checkpoint": "keeping", "rebuild": "keeping", "demo": "demo",
}  # fmt: skip


class Verbs(click.Group):
    """Finds a verb in the module that holds it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"amparo.cli.{VERBS[cmd_name]}")
        return next((command for command in module.COMMANDS if command.name == cmd_name), None)


@click.group(
    cls=Verbs,
    help=_("Amparo takes testimony and evidence from first contact to courtroom, without exposing the people who speak."),
)
@click.version_option(package.__version__, prog_name="amparo")
def amparo() -> None:
    """The root of all verbs."""
