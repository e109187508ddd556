"""Do 95 % intervals hold the truth as often as they say? Populations from stated generators, with fixed seeds.

    ./run bench coverage [--populations 500] [--arms classes,linkage,...] [--folder KEPT]

A nightly run: one line of JSON per population is kept in the folder, and a run that was stopped goes on where it was.

- *prior*: what the latent-class model itself believes beforehand: 10 classes with shares from its Dirichlet process, chances
  Beta(1, 1), cut to populations of which a tenth to nine tenths are documented. A sampler without errors covers 95 %.
- *apart*: four lists that reach 15 to 45 % of all persons each, independently.
- *classes*: two classes of persons; the second, a fifth to a half of all, is two to three times harder to reach for each list.
- *linkage*: as *apart*, but whether two reports are of the same person is uncertain for many: a link holds with a probability
  that is told to the model and true. *Single*: the likelier answer is taken as certain. *Pooled*: ten sampled
  answers, their draws put together (multiple imputation).
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness
import numpy as np

from amparo.analysis import decomposable, latent_class, stepwise
from amparo.analysis.capture import CaptureTable, Estimate, NotEstimable
from amparo.analysis.pooling import pooled

LISTS = "ABCD"
IMPUTED = 10
Made = tuple[int, CaptureTable]


def table(on: Any) -> CaptureTable:
    return CaptureTable.of_members(LISTS, [np.flatnonzero(row) for row in on if row.any()])


def prior(rng: np.random.Generator) -> Made:
    """Alpha is held at 1 here: drawn from its own prior, it is nearly always so small that there is one class."""
    while True:
        total = int(np.exp(rng.uniform(np.log(500), np.log(5000))))
        sticks = np.append(rng.beta(1, 1, 9), 1)
        shares = sticks * np.cumprod(np.append(1, 1 - sticks[:-1]))
        chances = rng.beta(1, 1, (4, 10))
        kinds = rng.choice(10, total, p=shares / shares.sum())
        on = rng.random((total, 4)) < chances[:, kinds].T
        if 0.1 < on.any(axis=1).mean() < 0.9:
            return total, table(on)


def apart(rng: np.random.Generator) -> Made:
    total = int(rng.integers(800, 4000))
    return total, table(rng.random((total, 4)) < rng.uniform(0.15, 0.45, 4))


def classes(rng: np.random.Generator) -> Made:
    total = int(rng.integers(800, 4000))
    faint = rng.random(total) < rng.uniform(0.2, 0.5)
    usual = rng.uniform(0.3, 0.6, 4)
    harder = usual / rng.uniform(2, 3, 4)
    return total, table(rng.random((total, 4)) < np.where(faint[:, None], harder, usual))


def linkage(rng: np.random.Generator) -> tuple[int, CaptureTable, list[CaptureTable]]:
    """The truth, the table of the likelier answers, and tables of sampled answers.

    In question are as many reports as a fifth of those of persons on several lists. Whether such a report is of the person it
    seems to be of is drawn with the told probability p ~ Beta(4, 2). One that is: a report of somebody on several lists. One
    that is not: the only report of somebody, taken for one of a person whom other lists know.
    """
    total = int(rng.integers(800, 4000))
    on = rng.random((total, 4)) < rng.uniform(0.15, 0.45, 4)
    several, alone = np.argwhere(on & (on.sum(axis=1, keepdims=True) > 1)), np.argwhere(on & (on.sum(axis=1, keepdims=True) == 1))
    chance = rng.beta(4, 2, len(several) // 5)
    true = rng.random(len(chance)) < chance
    seeming = on.copy()
    asked: list[tuple[int, int]] = []
    for person, which in rng.permutation(several):
        if len(asked) < true.sum() and person not in [one for one, _list in asked]:
            asked.append((person, which))
    for person, which in rng.permutation(alone)[: (~true).sum()]:
        others = np.flatnonzero(on.any(axis=1) & ~seeming[:, which])
        taken = others[rng.integers(others.size)]
        seeming[person], seeming[taken, which] = False, True
        asked.append((taken, which))
    chance = np.concatenate([chance[true], chance[~true]])[: len(asked)]

    def answered(holds: Any) -> CaptureTable:
        linked, more = seeming.copy(), []
        for (person, which), held in zip(asked, holds, strict=True):
            if not held:
                linked[person, which] = False
                more.append(np.eye(4, dtype=bool)[which])
        return table(np.concatenate([linked, np.array(more, dtype=bool).reshape(-1, 4)]))

    return total, answered(chance > 0.5), [answered(rng.random(len(asked)) < chance) for _one in range(IMPUTED)]


def interval(make: Callable[[], Estimate]) -> list[float] | None:
    try:
        found = make()
    except NotEstimable:
        return None
    return [found.low, found.point, found.high]


def latent(one: CaptureTable, seed: int, draws: int = 1000) -> Estimate:
    return latent_class.estimate(one, chains=2, draws=draws, burn_in=500, thin=2, seed=seed)


def trial(arm: str, number: int) -> dict[str, Any]:
    rng = np.random.default_rng([number, sorted(("prior", "apart", "classes", "linkage")).index(arm)])
    if arm == "linkage":
        total, single, sampled = linkage(rng)
        return {
            "total": total, "latent classes, single": interval(lambda: latent(single, number)),
            "latent classes, pooled": interval(lambda: pooled([latent(one, number, 200) for one in sampled])),
            "decomposable graphs, single": interval(lambda: decomposable.estimate(single)),
            "decomposable graphs, pooled": interval(lambda: pooled([decomposable.estimate(one) for one in sampled])),
        }  # fmt: skip
    total, one = {"prior": prior, "apart": apart, "classes": classes}[arm](rng)
    return {
        "total": total, "latent classes": interval(lambda: latent(one, number)),
        "decomposable graphs": interval(lambda: decomposable.estimate(one)),
        "log-linear, stepwise": interval(lambda: stepwise.estimate(one, bootstrap=300, seed=number)),
    }  # fmt: skip


def tell(arm: str, found: list[dict[str, Any]]) -> list[list[str]]:
    rows = []
    for model in (name for name in found[0] if name != "total"):
        some = [(one["total"], *one[model]) for one in found if one[model]]
        total, low, point, high = (np.array(column) for column in zip(*some, strict=True))
        inside = ((low <= total) & (total <= high)).mean()
        error = 1.96 * np.sqrt(inside * (1 - inside) / len(some))
        rows.append([arm, model, f"{inside:.1%} +- {error:.1%}", f"{(total > high).mean():.1%}", f"{(total < low).mean():.1%}",
                     f"{np.median(point / total):.3f}", f"{np.median((high - low) / total):.2f}", str(len(found) - len(some))])
    return rows


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--populations", type=int, default=500)
    arguments.add_argument("--arms", default="prior,apart,classes,linkage")
    arguments.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "amparo-coverage")
    asked = arguments.parse_args()
    asked.folder.mkdir(exist_ok=True)
    print(harness.machine())
    rows = []
    for arm in asked.arms.split(","):
        kept = asked.folder / f"{arm}.jsonl"
        done = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
        with kept.open("a") as out:
            for number in range(len(done), asked.populations):
                done.append(trial(arm, number))
                out.write(json.dumps(done[-1]) + "\n")
                out.flush()
        rows += tell(arm, done[: asked.populations])
    harness.table(["generator", "model", "covered (95 % wanted)", "truth above", "truth below", "median / truth", "width / truth",
                   "not estimable"], rows)  # fmt: skip


if __name__ == "__main__":
    main()
