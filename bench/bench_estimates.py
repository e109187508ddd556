"""Estimates of the unseen beside the programs of the papers' authors, on public tables of counts (bench/tables).

    ./run bench estimates [--seeds 3]

Needs R with LCMCR, SparseMSE and dga (all GPL; they are programs to compare with, nothing of them is in Amparo); R_LIBS may name
where they are. What is not there is skipped visibly. LCMCR: K = 10, a = b = .25, burn-in 100,000, 10,000 draws, every 100th.
"""

import argparse
import subprocess
import time
from pathlib import Path

import harness
import numpy as np

from amparo.analysis import decomposable, latent_class, stepwise
from amparo.analysis.capture import CaptureTable, Estimate
from amparo.analysis.diagnostics import ess_bulk, mcse_quantile

TABLES = Path(__file__).parent / "tables"
LEVELS = (0.5, 0.025, 0.975)
PUBLISHED = {"manila_police": "published 575 (534-639)", "quezon_police": "published 348 (338-368)",
             "kosovo_1999": "published 10,356 (9,002-12,122)"}  # fmt: skip

LCMCR = """
a <- commandArgs(TRUE); suppressMessages(library(LCMCR))
d <- read.csv(a[1]); J <- ncol(d) - 1; names(d)[J + 1] <- "Freq"
for (j in 1:J) d[[j]] <- factor(d[[j]], levels = c(0, 1))
t <- proc.time()[3]
o <- lcmCR(captures = d, tabular = TRUE, K = 10L, a_alpha = .25, b_alpha = .25, seed = as.integer(a[2]), buffer_size = 10000,
           thinning = 100, verbose = FALSE)
N <- lcmCR_PostSampl(o, burnin = 100000, samples = 10000, thinning = 100, output = FALSE)
cat(proc.time()[3] - t, N)
"""
SPARSE = """
a <- commandArgs(TRUE); suppressMessages(library(SparseMSE)); z <- as.matrix(read.csv(a[1])); t <- proc.time()[3]
set.seed(1); e <- estimatepopulation(z, nboot = 1000); cat(proc.time()[3] - t, e$popest, e$BCaquantiles[c("0.025", "0.975")])
"""
DGA = """
a <- commandArgs(TRUE); suppressMessages(library(dga)); z <- as.matrix(read.csv(a[1])); k <- ncol(z) - 1
Y <- array(0, dim = rep(2, k)); for (i in 1:nrow(z)) Y[matrix(z[i, 1:k] + 1, 1)] <- z[i, k + 1]
data(list = paste0("graphs", k)); t <- proc.time()[3]; cap <- as.integer(a[2])
w <- bma.cr(Y, 1:cap, 1 / 2^k, get(paste0("graphs", k))); q <- cumsum(colSums(w))
cat(proc.time()[3] - t, sum(Y) + sapply(c(.5, .025, .975), function(p) which(q > p)[1]))
"""


def r(script: str, *arguments: str) -> list[float] | None:
    """The numbers an R script prints, or None where R or a package is missing."""
    found = subprocess.run(["Rscript", "-e", script, *arguments], capture_output=True, text=True, check=False)
    return [float(word) for word in found.stdout.split()] if found.returncode == 0 else None


def shown(point: float, low: float, high: float) -> str:
    return f"{point:,.0f} ({low:,.0f}-{high:,.0f})"


def line(table: str, model: str, ours: Estimate, seconds: float, peer: str) -> list[str]:
    return [table, model, shown(ours.point, ours.low, ours.high), f"{seconds:.1f} s", peer]


def latent(name: str, table: CaptureTable, seeds: int) -> list[list[str]]:
    started = time.perf_counter()
    ours = latent_class.estimate(table, draws=4000, thin=2)
    seconds = time.perf_counter() - started
    rows = [line(name, "latent classes", ours, seconds, PUBLISHED.get(name, ""))]
    print(f"{name}: {ours.diagnostics['ess'] / seconds:,.0f} effective draws a second (R-hat {ours.diagnostics['rhat']:.3f}, "
          f"Monte-Carlo error of the median {ours.diagnostics['error']:.0f})")  # fmt: skip
    for seed in range(1, seeds + 1):
        found = r(LCMCR, str(TABLES / f"{name}.csv"), str(seed))
        if found is None:
            print("SKIPPED: LCMCR is not installed")
            return rows
        draws = np.array(found[1:])[None]
        point, low, high = np.quantile(draws, LEVELS)
        rows.append(["", f"LCMCR, seed {seed}", shown(point, low, high), f"{found[0]:.1f} s",
                     f"{(point - ours.point) / max(np.hypot(ours.diagnostics['error'], mcse_quantile(draws, 0.5)), 0.5):+.1f} errors away"])
        rate = (ours.diagnostics["ess"] / seconds) / (ess_bulk(draws) / found[0])
        if name == "kosovo_1999":
            harness.goal(f"effective draws a second over LCMCR's ({ess_bulk(draws) / found[0]:.0f})", rate, 5, at_least=True)
    return rows


def graphs(name: str, table: CaptureTable, cap: int) -> list[list[str]]:
    started = time.perf_counter()
    ours = decomposable.estimate(table)
    capped = decomposable.estimate(table, missing_cap=cap)
    seconds = (time.perf_counter() - started) / 2
    rows = [line(name, "decomposable graphs", ours, seconds, ""),
            line("", f"  at most {cap:,} unseen", capped, seconds, "")]  # fmt: skip
    found = r(DGA, str(TABLES / f"{name}.csv"), str(cap))
    if found is None:
        print("SKIPPED: dga is not installed, or has no graphs of so many lists")
    else:
        rows.append(["", f"dga, at most {cap:,} unseen", shown(*found[1:]), f"{found[0]:.1f} s", ""])
    return rows


def log_linear(name: str, table: CaptureTable) -> list[list[str]]:
    started = time.perf_counter()
    ours = stepwise.estimate(table, bootstrap=1000)
    rows = [line(name, "log-linear, stepwise", ours, time.perf_counter() - started, str(ours.settings["interactions"]))]
    found = r(SPARSE, str(TABLES / f"{name}.csv"))
    if found is None:
        print("SKIPPED: SparseMSE is not installed, or could not fit this table")
    else:
        rows.append(["", "SparseMSE", shown(*found[1:]), f"{found[0]:.1f} s", ""])
    return rows


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, default=3, help="runs of LCMCR on each table")
    seeds = arguments.parse_args().seeds
    print(harness.machine())
    tables = {path.stem: CaptureTable.read(path.open()) for path in sorted(TABLES.glob("*.csv"))}
    latent_class.estimate(tables["kosovo_1999"], draws=20)  # what is compiled once is not counted
    rows = []
    for name, table in tables.items():
        rows += latent(name, table, seeds)
    for name, cap in (("kosovo_1999", 22_000), ("uk_2013_five_lists", 40_000)):
        rows += graphs(name, tables[name], cap)
    for name in ("uk_2013_five_lists", "uk_2013_six_lists", "kosovo_1999"):
        rows += log_linear(name, tables[name])
    harness.table(["table", "model", "in all (95 %)", "time", ""], rows)


if __name__ == "__main__":
    main()
