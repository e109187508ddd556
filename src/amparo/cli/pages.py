"""The verb ``open``: the workspace as pages in the browser."""

import signal
import webbrowser
from pathlib import Path
from typing import Any

import click

from amparo.cli.common import find_workspace, verb
from amparo.kernel.i18n import _

Result = tuple[dict[str, Any], str]


@click.command(
    "open",
    help=_(
        "Open the workspace in the browser on this machine, without any network, until Ctrl-C; then it is locked.\n\n"
        "Example: amparo open"
    ),
)
@click.option("--port", default=0, metavar="N", help=_("Port on the loopback address (default: a free one)."))
@click.option("--browser/--no-browser", default=True, help=_("Start the browser; without it the address is only printed."))
@click.option(
    "--outlines", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE", multiple=True,
    help=_("Outlines of countries and regions for the map, once: GeoJSON or shapefile, such as Natural Earth's."),
)  # fmt: skip
@verb
def open_(port: int, browser: bool, outlines: tuple[Path, ...], folder: Path | None) -> Result:
    from amparo.web.server import Server

    workspace = find_workspace(folder)
    if outlines:
        from amparo.app.outlines import bring

        number = bring(workspace, outlines)
        click.echo(_("The map has the outlines of {number} countries or regions now.").format(number=number))
    server = Server(workspace, port)

    def ready() -> None:
        click.echo(_("The pages are at {address}").format(address=server.address))
        click.echo(_("This address lets one browser in, once. Ctrl-C ends the pages and locks the workspace."))
        doorstep = server.doorstep()
        if browser:
            webbrowser.open(doorstep.as_uri())

    for ending in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, ending):
            signal.signal(getattr(signal, ending), signal.default_int_handler)
    try:
        server.run(ready)
    except KeyboardInterrupt:
        return {"locked": True}, _("The pages are closed and the workspace is locked.")
    return {}, ""


COMMANDS = [open_]
