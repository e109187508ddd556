"""The sampler under ``analysis.waves``: a sticky hidden Markov model of daily counts, one Markov chain a call.

Invariants: numbers in, draws out, nothing else is touched; the same seed gives the same draws. States are ordered by rate: the
rate of state s is the sum of the layers 0..s, every layer positive, so that labels cannot switch. State 0 is the background.

Model. State z_t, t = 1..T days, is a Markov chain with rows pi_s ~ Dirichlet(prior row s), whose weight lies on staying (the
explicit self-transition of the sticky HDP-HMM: Fox, Sudderth, Jordan & Willsky 2011, Annals of Applied Statistics 5(2A),
equation 11, with a given number of states instead of a process). Counts y_t | z_t = s ~ Poisson(e_t u_t lambda_s), where e_t
is the expected share of day t's events that has been reported by now (Lawless 1994, Canadian Journal of Statistics 22) and
u_t = 1, or u_t ~ Gamma(r, r), which makes the counts negative binomial. lambda_s = delta_0 + ... + delta_s with
delta_j ~ Gamma(a_j, b_j).

One sweep: e (reverse hazards ~ Beta); the days of events whose day is not known; z by forward filtering and backward sampling
(Scott 2002, JASA 97(457), section 2.1) with u integrated out; u and r; each state's count split among its layers (a sum of
Poissons given its total is multinomial), which makes the Gamma and Dirichlet updates conjugate.
"""


import math
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SIZE_MEAN: Final = math.log(2.0)
"""Prior of log r, the size of the negative binomial: Normal(SIZE_MEAN, SIZE_SD)."""
SIZE_SD: Final = 1.0


@njit(cache=True)
def _weigh(y: float, e: float, rates: Any, size: float, out: Any) -> float:
    """Likelihood of a day's count in every state, each divided by the greatest; the log of that one (without y's factorial)."""
    best = -1e300
    for s in range(len(rates)):
        mean = rates[s] * e
        if size > 0.0:
            out[s] = y * math.log(mean + 1e-300) - (y + size) * math.log(1.0 + mean / size)
        else:
            out[s] = y * math.log(mean + 1e-300) - mean
        best = max(best, out[s])
    for s in range(len(rates)):
        out[s] = math.exp(out[s] - best)
    return best


@njit(cache=True)
def _filter(y: Any, e: Any, rates: Any, moves: Any, start: Any, size: float, forward: Any) -> float:
    """Fill ``forward`` (T, k) with P(z_t | y_1..y_t); the log likelihood (without factorials). Scott 2002, equation 4."""
    k = len(rates)
    weight = np.empty(k)
    loglik = 0.0
    for t in range(len(y)):
        loglik += _weigh(y[t], e[t], rates, size, weight)
        total = 0.0
        for s in range(k):
            before = start[s] if t == 0 else 0.0
            if t > 0:
                for q in range(k):
                    before += forward[t - 1, q] * moves[q, s]
            forward[t, s] = before * weight[s]
            total += forward[t, s]
        for s in range(k):
            forward[t, s] /= total
        loglik += math.log(total)
    return loglik


@njit(cache=True)
def _backward(forward: Any, moves: Any, z: Any) -> None:
    """Draw the states from the last day to the first, given the filter (Scott 2002, equation 5)."""
    k = forward.shape[1]
    for t in range(len(z) - 1, -1, -1):
        total = 0.0
        for s in range(k):
            total += forward[t, s] * (moves[s, z[t + 1]] if t + 1 < len(z) else 1.0)
        at = np.random.random() * total
        chosen = 0
        for s in range(k):
            at -= forward[t, s] * (moves[s, z[t + 1]] if t + 1 < len(z) else 1.0)
            chosen = s
            if at <= 0.0:
                break
        z[t] = chosen


@njit(cache=True)
def _report(seen: Any, exposed: Any, lags: Any, e: Any) -> None:
    """Draw the share reported by now of each day's events: G(x) is the product over y > x of 1 - g(y), the reverse hazards.

    ``seen[x]`` events have a delay in bin x, ``exposed[x]`` one in bins 0..x among those that could show bin x. ``lags`` is the
    bin up to which each day's events can have been reported. Lawless 1994, section 2; a Beta(seen, rest + 1) draw of each g,
    so that a bin in which nobody was late holds nobody.
    """
    bins = len(seen)
    share = np.ones(bins)
    for x in range(bins - 1, 0, -1):
        late = 0.0
        if seen[x] > 0.0:
            late = np.random.beta(seen[x], exposed[x] - seen[x] + 1.0)
        share[x - 1] = share[x] * (1.0 - late)
    for t in range(len(e)):
        e[t] = max(share[lags[t]], 1e-6) if lags[t] >= 0 else 1e-6


@njit(cache=True)
def _spread(exact: Any, spans: Any, e: Any, u: Any, rates: Any, z: Any, y: Any) -> None:
    """Count the days: those known, and each event known by a span only, on a day of it in proportion to that day's rate."""
    upto = np.zeros(len(y) + 1)
    for t in range(len(y)):
        y[t] = exact[t]
        upto[t + 1] = upto[t] + rates[z[t]] * e[t] * u[t]
    for one in range(len(spans)):
        low, high = spans[one, 0], spans[one, 1]
        at = upto[low] + np.random.random() * (upto[high + 1] - upto[low])
        while low < high:  # the day whose share of the cumulated rate holds the point
            middle = (low + high) // 2
            if upto[middle + 1] > at:
                high = middle
            else:
                low = middle + 1
        y[low] += 1.0


@njit(cache=True)
def _clump(y: Any, e: Any, rates: Any, z: Any, size: float, u: Any) -> float:
    """A Metropolis step for the size r with u integrated out, then u | y, z, r; returns r."""
    tried = size * math.exp(0.5 * np.random.normal())
    gain = ((math.log(size) - SIZE_MEAN) ** 2 - (math.log(tried) - SIZE_MEAN) ** 2) / (2.0 * SIZE_SD**2)
    for t in range(len(y)):
        mean = rates[z[t]] * e[t]
        if y[t] > 0.0:
            gain += math.lgamma(y[t] + tried) - math.lgamma(tried) - math.lgamma(y[t] + size) + math.lgamma(size)
            gain += y[t] * (math.log(size + mean) - math.log(tried + mean))
        gain += size * math.log(1.0 + mean / size) - tried * math.log(1.0 + mean / tried)
    if math.log(np.random.random() + 1e-300) < gain:
        size = tried
    for t in range(len(y)):
        u[t] = np.random.gamma(size + y[t], 1.0 / (size + rates[z[t]] * e[t]))
    return size


@njit(cache=True)
def _cumulate(layers: Any, rates: Any) -> None:
    """Rates of the states: sums of the layers up to each."""
    total = 0.0
    for j in range(len(layers)):
        total += layers[j]
        rates[j] = total


@njit(cache=True)
def _rate(y: Any, e: Any, u: Any, z: Any, shape: Any, inverse: Any, layers: Any, rates: Any) -> None:
    """Split every state's count among its layers, draw the layers, add them up to rates."""
    k = len(layers)
    counted, under, held, exposed = np.zeros(k), np.zeros(k), np.zeros(k), np.zeros(k)
    for t in range(len(y)):
        counted[z[t]] += y[t]
        under[z[t]] += e[t] * u[t]
    for s in range(k):
        left = int(counted[s])
        for j in range(s, 0, -1):
            taken = np.random.binomial(left, min(1.0, layers[j] / rates[j])) if left > 0 else 0
            held[j] += taken
            left -= taken
        held[0] += left
        for j in range(s + 1):
            exposed[j] += under[s]
    for j in range(k):
        layers[j] = np.random.gamma(shape[j] + held[j], 1.0 / (inverse[j] + exposed[j])) + 1e-12
    _cumulate(layers, rates)


@njit(cache=True)
def _move(z: Any, prior: Any, moves: Any) -> None:
    """Draw the rows of the transition matrix from their Dirichlet."""
    k = len(prior)
    seen = np.zeros((k, k))
    for t in range(1, len(z)):
        seen[z[t - 1], z[t]] += 1.0
    for s in range(k):
        total = 0.0
        for q in range(k):
            moves[s, q] = np.random.gamma(prior[s, q] + seen[s, q], 1.0) + 1e-300
            total += moves[s, q]
        for q in range(k):
            moves[s, q] /= total


@njit(cache=True)
def _sweep(
    exact: Any, spans: Any, seen: Any, exposed: Any, lags: Any, start: Any, shape: Any, inverse: Any, prior: Any,
    size: float, layers: Any, rates: Any, moves: Any, z: Any, y: Any, e: Any, u: Any, forward: Any,
) -> float:  # fmt: skip
    """Draw everything once, given the rest; returns the size."""
    _report(seen, exposed, lags, e)
    _spread(exact, spans, e, u, rates, z, y)
    _filter(y, e, rates, moves, start, size, forward)
    _backward(forward, moves, z)
    if size > 0.0:
        size = _clump(y, e, rates, z, size, u)
    _rate(y, e, u, z, shape, inverse, layers, rates)
    _move(z, prior, moves)
    return size


@njit(cache=True)
def chain(
    exact: Any, spans: Any, seen: Any, exposed: Any, lags: Any, start: Any, shape: Any, inverse: Any, prior: Any,
    layers: Any, size: float, burn: int, draws: int, thin: int, seed: int,
) -> Any:  # fmt: skip
    """One chain: (states (draws, T) uint8, figures (draws, k + k k + 1), exposure (T,), counts (T,)).

    ``exact``: (T,) events whose day is known. ``spans``: (m, 2) first and last day of the others. ``seen``, ``exposed``:
    (bins,) reporting delays, one bin where none are known; ``lags``: (T,) bins. ``start``: (k,) P(z_1). ``shape``, ``inverse``:
    (k,) Gamma prior of the layers. ``prior``: (k, k) Dirichlet rows. ``layers``: (k,) first layers, overwritten; ``size``: a
    first size of the negative binomial, 0 for Poisson. A row of figures: layers, transitions, size.
    """
    np.random.seed(seed)
    days, k = len(exact), len(start)
    states, figures = np.empty((draws, days), np.uint8), np.empty((draws, k + k * k + 1))
    z, y, e, u, forward = np.zeros(days, np.int64), np.zeros(days), np.ones(days), np.ones(days), np.empty((days, k))
    rates, moves = np.empty(k), np.empty((k, k))
    shares, counts = np.zeros(days), np.zeros(days)
    _move(z[:1], prior, moves)
    _cumulate(layers, rates)
    for sweep in range(-burn, draws * thin):
        size = _sweep(exact, spans, seen, exposed, lags, start, shape, inverse, prior, size, layers, rates, moves, z, y, e, u,
                      forward)  # fmt: skip
        if sweep < 0 or sweep % thin != 0:
            continue
        row = sweep // thin
        for t in range(days):
            states[row, t] = z[t]
            shares[t] += e[t] / draws
            counts[t] += y[t] / draws
        for s in range(k):
            figures[row, s] = layers[s]
            for q in range(k):
                figures[row, k + s * k + q] = moves[s, q]
        figures[row, k + k * k] = size
    return states, figures, shares, counts


@njit(cache=True)
def likelihoods(y: Any, e: Any, layers: Any, moves: Any, sizes: Any, start: Any) -> Any:
    """(n,) log likelihood of the counts for n sets of layers (n, k), transitions (n, k, k) and sizes (n,; 0: Poisson)."""
    found, forward, rates = np.empty(len(layers)), np.empty((len(y), len(start))), np.empty(len(start))
    for one in range(len(layers)):
        _cumulate(layers[one], rates)
        found[one] = _filter(y, e, rates, moves[one], start, sizes[one], forward)
        if sizes[one] > 0.0:
            for t in range(len(y)):
                if y[t] > 0.0:
                    found[one] += math.lgamma(y[t] + sizes[one]) - math.lgamma(sizes[one]) - y[t] * math.log(sizes[one])
    return found
