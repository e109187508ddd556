"""All verbs of the command line. A verb's module is loaded when it is called, so that each starts quickly."""

import importlib
from typing import Final

import click

import amparo as package
from amparo.kernel.i18n import N_, _

VERBS: Final = {
    "init": "workspace", "unlock": "workspace", "lock": "workspace", "panic": "workspace", "recover": "workspace",
    "backup": "workspace", "restore": "workspace", "open": "pages",
    "import": "day", "person": "day", "interview": "day", "consent": "day", "correct": "day", "link": "day", "erase": "day",
    "assess": "assess", "waves": "waves",
    "status": "reading", "search": "reading", "show": "reading", "trace": "reading",
    "evidence": "evidence", "capture": "evidence_capture", "dossier": "output",
    "verify": "keeping", "checkpoint": "keeping", "rebuild": "keeping", "demo": "demo",
}  # fmt: skip


SECTIONS: Final = (
    (N_("To begin and to end"), ("demo", "init", "open", "unlock", "lock", "panic", "recover")),
    (N_("The documenter's day"), ("person", "interview", "import", "consent", "correct", "link", "assess", "erase")),
    (N_("The evidence room"), ("evidence", "capture")),
    (N_("To read"), ("status", "search", "show", "trace")),
    (N_("To weigh and to count"), ("waves",)),
    (N_("To let out"), ("dossier",)),
    (N_("To keep honest and safe"), ("verify", "checkpoint", "backup", "restore", "rebuild")),
)


class Verbs(click.Group):
    """Finds a verb in the module that holds it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs by what they are for, each with its whole first sentence."""
        for title, names in SECTIONS:
            with formatter.section(_(title)):
                commands = [(name, self.get_command(ctx, name)) for name in names]
                formatter.write_dl([(name, command.get_short_help_str(300)) for name, command in commands if command])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"amparo.cli.{VERBS[cmd_name]}")
        return next((command for command in module.COMMANDS if command.name == cmd_name), None)


@click.group(
    cls=Verbs,
    help=_(
        "Amparo takes testimony and evidence from first contact to courtroom, without exposing the people who speak.\n\n"
        "`amparo VERB --help` explains a verb, with an example."
    ),
)
@click.version_option(package.__version__, prog_name="amparo")
def amparo() -> None:
    """The root of all verbs."""
