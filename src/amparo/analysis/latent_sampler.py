"""One Markov chain over the latent classes, compiled: what ``latent_class`` runs four of.

Invariant: every step leaves the posterior of Manrique-Vallier (2016, Biometrics 72, section 3) as it is; nothing is
approximated but by the number of draws. The state is (x, v, alpha, missing): ``x[j, k]`` the logit of the chance that list j
knows a person of class k, ``v[k]`` the logit of the k-th stick (both in logits, so that no chance rounds to 0 or 1), alpha of
the Dirichlet process, and how many persons nobody's list knows.

Four kinds of step make one sweep. *Gibbs*: the data augmentation of the paper, over cells instead of persons. *Hamiltonian*
(Neal 2011, Handbook of MCMC, chapter 5): all of x and v at once, with classes of persons and the number of the missing summed
out, along the ridge on which a faint class grows as its chances fall and on which Gibbs alone creeps. *Swap* of neighbouring
classes (Papaspiliopoulos & Roberts 2008, Biometrika 95, section 3.4). *Alpha* from its conditional, with weights held.
"""

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_LIKELY_ACCEPTED: Final = 0.8
_TRAJECTORY: Final = 1.2  # how far a Hamiltonian step goes, in logits; their prior has a standard deviation of 1.8
_MOST_LEAPS: Final = 48
_BEYOND_REACH: Final = 1e15


@njit(cache=True, nogil=True)
def _soft(z: float) -> float:
    """log(1 + exp(z))."""
    return z + math.log1p(math.exp(-z)) if z > 0 else math.log1p(math.exp(z))


@njit(cache=True, nogil=True)
def _log_gamma(shape: float) -> float:
    """The logarithm of a Gamma(shape, 1) draw, also where the draw itself would be 0 (shape + 1, then a power of a uniform)."""
    if shape >= 1.0:
        return math.log(np.random.standard_gamma(shape))
    return math.log(np.random.standard_gamma(shape + 1.0)) + math.log(1.0 - np.random.random()) / shape


@njit(cache=True, nogil=True)
def binomial(n: int, p: float) -> int:
    """A Binomial(n, p) draw: counted along the cumulated chances where few are expected, else by transformed rejection with
    squeeze left out (Hormann 1993, J. Stat. Comput. Simul. 46, algorithm BTRS).
    """
    if n <= 0 or p <= 0.0:
        return 0
    if p >= 1.0:
        return n
    q = min(p, 1.0 - p)
    if n * q < 10.0:
        u, k = np.random.random(), 0
        chance = math.exp(n * math.log1p(-q))
        while u > chance and k < n:
            u -= chance
            k += 1
            chance *= (n - k + 1) * q / (k * (1.0 - q))
    else:
        spread = math.sqrt(n * q * (1.0 - q))
        b = 1.15 + 2.53 * spread
        a = -0.0873 + 0.0248 * b + 0.01 * q
        alpha = (2.83 + 5.1 / b) * spread
        mode = math.floor((n + 1) * q)
        top = math.lgamma(mode + 1.0) + math.lgamma(n - mode + 1.0)
        while True:
            u, w = np.random.random() - 0.5, 1.0 - np.random.random()
            us = 0.5 - abs(u)
            if us <= 0.0:
                continue
            k = math.floor((2.0 * a / us + b) * u + n * q + 0.5)
            if k < 0 or k > n:
                continue
            bound = top - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0) + (k - mode) * math.log(q / (1.0 - q))
            if math.log(w * alpha / (a / (us * us) + b)) <= bound:
                break
    return k if p <= 0.5 else n - k


@njit(cache=True, nogil=True)
def _weights(x: Floats, v: Floats, on: Floats, off: Floats, nu: Floats) -> None:
    """Chances to be ``on`` and ``off`` each list, and ``nu`` the share of each class, from the logits (section 3.1, eq. 3)."""
    lists, classes = x.shape
    for j in range(lists):
        for k in range(classes):
            e = math.exp(-abs(x[j, k]))
            big, small = 1.0 / (1.0 + e), e / (1.0 + e)
            on[j, k], off[j, k] = (big, small) if x[j, k] > 0 else (small, big)
    rest = 1.0
    for k in range(classes - 1):
        e = math.exp(-abs(v[k]))
        big, small = 1.0 / (1.0 + e), e / (1.0 + e)
        stick, left = (big, small) if v[k] > 0 else (small, big)
        nu[k] = rest * stick
        rest *= left
    nu[classes - 1] = rest


@njit(cache=True, nogil=True)
def _gradient(
    cells: NDArray[np.uint8], counts: NDArray[np.int64], x: Floats, v: Floats, alpha: float,
    gx: Floats, gv: Floats, on: Floats, off: Floats, nu: Floats, like: Floats, mass: Floats,
) -> float:  # fmt: skip
    """The gradient into gx, gv; returns the log-likelihood of the observed with the missing summed out: each cell's chance over
    the chance 1 - p0 to be seen at all (eq. 1 with the prior p(N) proportional to 1/N). -inf where a cell has no chance left.
    """
    lists, classes = x.shape
    _weights(x, v, on, off, nu)
    gx[:] = 0.0
    mass[:] = 0.0
    found, persons = 0.0, 0.0
    for m in range(cells.shape[0]):
        like[:] = nu
        for j in range(lists):
            row = on[j] if cells[m, j] else off[j]
            for k in range(classes):
                like[k] *= row[k]
        total = like.sum()
        if not total > 1e-290:
            return -np.inf
        found += counts[m] * math.log(total)
        persons += counts[m]
        scale = counts[m] / total
        for k in range(classes):
            like[k] *= scale
            mass[k] += like[k]
        for j in range(lists):
            if cells[m, j]:
                for k in range(classes):
                    gx[j, k] += like[k]
    like[:] = nu
    for j in range(lists):
        for k in range(classes):
            like[k] *= off[j, k]
    seen = (nu - like).sum()
    if not seen > 1e-12:
        return -np.inf
    found -= persons * math.log(seen)
    for k in range(classes):
        mass[k] += persons / seen * like[k]
    for j in range(lists):
        for k in range(classes):
            gx[j, k] += -mass[k] * on[j, k] + off[j, k] - on[j, k]
    later = mass[classes - 1]
    for k in range(classes - 2, -1, -1):
        e = math.exp(-abs(v[k]))
        stick = 1.0 / (1.0 + e) if v[k] > 0 else e / (1.0 + e)
        gv[k] = mass[k] * (1.0 - stick) - stick * later + 1.0 - stick - alpha * stick
        later += mass[k]
    return found


@njit(cache=True, nogil=True)
def _log_prior(x: Floats, v: Floats, alpha: float) -> float:
    """Beta(1, 1) of every chance and Beta(1, alpha) of every stick, as densities of their logits, without constants."""
    found = 0.0
    for one in x.flat:
        found -= _soft(one) + _soft(-one)
    for one in v:
        found -= _soft(-one) + alpha * _soft(one)
    return found


@njit(cache=True, nogil=True)
def _missing(observed: int, seen: float) -> int:
    """How many are missing: negative binomial (section 3.2), as a Poisson of a gamma; where a Poisson is too large to be drawn
    its mean is told, which differs by less than one part in a million.
    """
    mean = np.random.standard_gamma(float(observed)) * (1.0 - seen) / max(seen, 1e-300)
    return int(np.random.poisson(mean)) if mean < 1e12 else int(min(mean, _BEYOND_REACH))


@njit(cache=True, nogil=True)
def _seen(x: Floats, v: Floats, on: Floats, off: Floats, nu: Floats) -> float:
    """The chance that a person stands on any list."""
    _weights(x, v, on, off, nu)
    found = 0.0
    for k in range(nu.size):
        none = 1.0
        for j in range(x.shape[0]):
            none *= off[j, k]
        found += nu[k] * (1.0 - none)
    return found


@njit(cache=True, nogil=True)
def _gibbs(
    cells: NDArray[np.uint8], counts: NDArray[np.int64], x: Floats, v: Floats, alpha: float, missing: int,
    on: Floats, off: Floats, nu: Floats, like: Floats, held: Floats, known: Floats,
) -> None:  # fmt: skip
    """Persons into classes, cell by cell and the missing with them; then chances and sticks given the classes (section 3.2)."""
    lists, classes = x.shape
    _weights(x, v, on, off, nu)
    held[:] = 0.0
    known[:] = 0.0
    for m in range(cells.shape[0] + 1):
        empty = m == cells.shape[0]
        left = missing if empty else counts[m]
        like[:] = nu
        for j in range(lists):
            row = on[j] if not empty and cells[m, j] else off[j]
            for k in range(classes):
                like[k] *= row[k]
        rest = like.sum()
        for k in range(classes):
            if left <= 0:
                break
            drawn = left if k == classes - 1 else binomial(left, min(1.0, like[k] / rest if rest > 0.0 else 1.0))
            rest = max(0.0, rest - like[k])
            left -= drawn
            held[k] += drawn
            if not empty:
                for j in range(lists):
                    if cells[m, j]:
                        known[j, k] += drawn
    later = held[classes - 1]
    for k in range(classes - 2, -1, -1):
        v[k] = _log_gamma(1.0 + held[k]) - _log_gamma(alpha + later)
        later += held[k]
    for j in range(lists):
        for k in range(classes):
            x[j, k] = _log_gamma(1.0 + known[j, k]) - _log_gamma(1.0 + held[k] - known[j, k])


@njit(cache=True, nogil=True)
def _swap(x: Floats, v: Floats, alpha: float) -> None:
    """Offer every two neighbouring classes to change places, chances and shares both: only the prior of the shares decides."""
    lists, classes = x.shape
    for k in range(classes - 1):
        log_stick, log_left = -_soft(-v[k]), -_soft(v[k])
        if k == classes - 2:
            if math.log(1.0 - np.random.random()) < (alpha - 1.0) * v[k]:
                v[k] = -v[k]
            else:
                continue
        else:
            first, second = log_stick, log_left - _soft(-v[k + 1])
            rest = log_left - _soft(v[k + 1])
            high = max(first, rest)
            other = high + math.log(math.exp(first - high) + math.exp(rest - high))
            if math.log(1.0 - np.random.random()) < log_left - other:
                v[k], v[k + 1] = second - other, first - rest
            else:
                continue
        for j in range(lists):
            x[j, k], x[j, k + 1] = x[j, k + 1], x[j, k]


@njit(cache=True, nogil=True)
def _leapt(
    cells: NDArray[np.uint8], counts: NDArray[np.int64], x: Floats, v: Floats, alpha: float, step: float, leaps: int,
    on: Floats, off: Floats, nu: Floats, like: Floats, mass: Floats, gx: Floats, gv: Floats,
) -> float:  # fmt: skip
    """A Hamiltonian step of ``leaps`` leaps (Neal 2011, section 5.3.2); x and v move if it is accepted. Returns the chance."""
    new_x, new_v = x.copy(), v.copy()
    before = _gradient(cells, counts, x, v, alpha, gx, gv, on, off, nu, like, mass) + _log_prior(x, v, alpha)
    px, pv = np.empty_like(x), np.empty_like(v)
    for j in range(x.shape[0]):
        for k in range(x.shape[1]):
            px[j, k] = np.random.standard_normal()
    for k in range(v.size):
        pv[k] = np.random.standard_normal()
    energy = before - 0.5 * ((px * px).sum() + (pv * pv).sum())
    after = -np.inf
    for _leap in range(leaps):
        px += 0.5 * step * gx
        pv += 0.5 * step * gv
        new_x += step * px
        new_v += step * pv
        after = _gradient(cells, counts, new_x, new_v, alpha, gx, gv, on, off, nu, like, mass)
        if after == -np.inf:
            return 0.0
        px += 0.5 * step * gx
        pv += 0.5 * step * gv
    after += _log_prior(new_x, new_v, alpha)
    chance = math.exp(min(0.0, after - 0.5 * ((px * px).sum() + (pv * pv).sum()) - energy))
    if np.random.random() < chance:
        x[:] = new_x
        v[:] = new_v
    return chance


@njit(cache=True, nogil=True)
def _alpha(v: Floats, shape: float, rate: float) -> float:
    """The concentration given the sticks: Gamma(shape + K - 1, rate - sum of log(1 - stick)) (section 3.2)."""
    for one in v:
        rate += _soft(one)
    return math.exp(_log_gamma(shape + v.size)) / rate


@njit(cache=True, nogil=True)
def run(
    cells: NDArray[np.uint8], counts: NDArray[np.int64], x: Floats, v: Floats, tuned: Floats, shape: float, rate: float,
    seed: int, thin: int, learn: bool, leap: bool, totals: NDArray[np.int64], kept_x: Floats, kept_v: Floats,
) -> None:  # fmt: skip
    """``totals.size`` draws of a chain, every ``thin``-th sweep kept; x, v and ``tuned`` go on where they were.

    ``cells``: (cells, lists) patterns with ``counts``. ``x``: (lists, classes), ``v``: (classes - 1,) logits. ``tuned``:
    (alpha, logarithm of the Hamiltonian step, steps learnt from). ``learn``: adapt the step (only before draws are used;
    Robbins & Monro 1951). ``leap``: with Hamiltonian steps; without them the sampler of the paper is left. Out: ``totals``
    (draws,) persons in all, ``kept_x`` (draws, lists, classes) and ``kept_v`` of each draw.
    """
    np.random.seed(seed)
    classes = x.shape[1]
    on, off, gx, known = np.empty_like(x), np.empty_like(x), np.empty_like(x), np.empty_like(x)
    nu, like, mass, held, gv = np.empty(classes), np.empty(classes), np.empty(classes), np.empty(classes), np.empty(classes - 1)
    observed = counts.sum()
    for draw in range(totals.size):
        missing = 0
        for _sweep in range(thin):
            missing = _missing(observed, _seen(x, v, on, off, nu))
            _gibbs(cells, counts, x, v, tuned[0], missing, on, off, nu, like, held, known)
            if leap:
                step = math.exp(tuned[1]) * (0.8 + 0.4 * np.random.random())
                leaps = min(_MOST_LEAPS, max(1, int(_TRAJECTORY / step)))
                chance = _leapt(cells, counts, x, v, tuned[0], step, leaps, on, off, nu, like, mass, gx, gv)
                if learn:
                    tuned[2] += 1.0
                    tuned[1] = min(0.0, tuned[1] + (chance - _LIKELY_ACCEPTED) * tuned[2] ** -0.6)
            _swap(x, v, tuned[0])
            tuned[0] = _alpha(v, shape, rate)
        totals[draw] = observed + _missing(observed, _seen(x, v, on, off, nu))
        kept_x[draw], kept_v[draw] = x, v
