"""A small workspace with a contradiction, made-up words and a sealed name; long works started by requests and waited for."""

import json
import re
import time

from cli_kit import Shell
from web_kit import Answer, Pages

MADE_UP = "Zarvan Tulmetov"  # invented; no such family name is known
SCRIPT = "<script>document.title='taken'</script><img src=x onerror=alert(1)>"
TALK = f"""
date: 2026-10-03
claims:
  - {{text: They came at night., valid: 2026-02}}
  - {{text: "They came in the morning {SCRIPT}", valid: 2026-02}}
  - {{text: It was dark outside., valid: 2026-02}}
consent: {{purposes: record; prosecution, audiences: team; court, until: 2031, how: recorded}}
"""


def furnish(shell: Shell) -> list[str]:
    """A person, an interview, two links; returns the handles of the claims."""
    shell.amparo("person", "add", "--form", "-", stdin=f"names: [{MADE_UP}]\n")
    said: list[str] = shell.amparo("interview", "P-0001", "--form", "-", stdin=TALK)["claims"]
    shell.amparo("link", said[0], "contradicts", said[1], "--reason", f"night or morning {SCRIPT}")
    shell.amparo("link", said[2], "supports", said[0], "--reason", "dark")
    return said


def start(pages: Pages, path: str, form: dict[str, str]) -> str:
    """Where a form leads."""
    answer = pages.ask(path, form)
    assert answer.status == 303, (answer.status, answer.sentence)
    return str(answer.headers["location"])


def wait(pages: Pages, path: str) -> Answer:
    """The page of a work, once it is over."""
    state = f"/jobs/{path.rpartition('/')[2]}/state"
    for _try in range(600):
        if json.loads(pages.ask(state).text)["over"]:
            return pages.ask(path)
        time.sleep(0.1)
    raise AssertionError("the work does not end")


def told(answer: Answer) -> str:
    """The one sentence of a work that is over."""
    found = re.search(r'role="status">([^<]*)<', answer.text)
    return found[1] if found else ""
