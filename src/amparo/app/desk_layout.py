"""A layered drawing of who stands above whom: which row, and where in it. Pure, and the same for the same things.

Invariant: along every edge the upper end stands in a higher row than the lower one, but for edges that close a circle. (Layers
by longest path, order by barycentres: Sugiyama, Tagawa, Toda, IEEE Trans. Syst. Man Cybern. 11, 1981.)
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

_SWEEPS: Final = 6


def rows(nodes: Sequence[str], edges: Iterable[tuple[str, str]], per_row: int) -> list[list[str]]:
    """Nodes in rows from above, each of at most ``per_row``; ``edges`` are (upper, lower). Nodes no edge touches come last."""
    known = set(nodes)
    kept = sorted({(upper, lower) for upper, lower in edges if upper != lower and upper in known and lower in known})
    lower = _without_circles(nodes, kept)
    upper: dict[str, list[str]] = {node: [] for node in nodes}
    for above, below in lower.items():
        for node in below:
            upper[node].append(above)
    layers = _layers(nodes, lower, upper)
    touched = {end for edge in kept for end in edge}
    ordered = _ordered(layers, lower, upper, touched)
    alone = [node for node in nodes if node not in touched]
    found = []
    for layer in (*ordered, alone):
        step = _even(len(layer), per_row)
        found += [layer[start : start + step] for start in range(0, len(layer), step)]
    return found


def _even(number: int, per_row: int) -> int:
    """How many to a row, so that a wrapped layer's rows are about as long as each other."""
    return max(1, -(-number // max(1, -(-number // per_row))))


def _without_circles(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Those below each node; the edge that would close a circle is left out, found from the nodes in their order."""
    below: dict[str, list[str]] = {node: [] for node in nodes}
    for upper, lower in edges:
        below[upper].append(lower)
    kept: dict[str, list[str]] = {node: [] for node in nodes}
    state: dict[str, int] = {}  # 1: on the way, 2: done
    for root in nodes:
        if root in state:
            continue
        state[root] = 1
        stack = [(root, iter(below[root]))]
        while stack:
            node, left = stack[-1]
            following = next(left, None)
            if following is None:
                state[node] = 2
                stack.pop()
            elif state.get(following) != 1:
                kept[node].append(following)
                if following not in state:
                    state[following] = 1
                    stack.append((following, iter(below[following])))
    return kept


def _layers(nodes: Sequence[str], lower: Mapping[str, list[str]], upper: Mapping[str, list[str]]) -> dict[str, int]:
    """The longest way from above; what nothing stands above is drawn just over what it stands above."""
    left = {node: len(upper[node]) for node in nodes}
    layer = dict.fromkeys(nodes, 0)
    ready = [node for node in nodes if not left[node]]
    for node in ready:  # grows as it goes
        for below in lower[node]:
            layer[below] = max(layer[below], layer[node] + 1)
            left[below] -= 1
            if not left[below]:
                ready.append(below)
    for node in nodes:
        if not upper[node] and lower[node]:
            layer[node] = min(layer[below] for below in lower[node]) - 1
    return layer


def _ordered(
    layer: Mapping[str, int], lower: Mapping[str, list[str]], upper: Mapping[str, list[str]], touched: set[str]
) -> list[list[str]]:
    """The nodes of each layer, near those they are joined to."""
    found: list[list[str]] = [[] for _ in range(max(layer.values(), default=0) + 1)]
    for node in layer:
        if node in touched:
            found[layer[node]].append(node)
    place = {node: index / max(1, len(nodes)) for nodes in found for index, node in enumerate(nodes)}
    for sweep in range(_SWEEPS):
        for nodes in found if sweep % 2 == 0 else reversed(found):
            middle = {node: _middle(place, [*upper[node], *lower[node]], place[node]) for node in nodes}
            nodes.sort(key=lambda node: (middle[node], node))
            place |= {node: (index + 0.5) / len(nodes) for index, node in enumerate(nodes)}
    return found


def _middle(place: Mapping[str, float], joined: Sequence[str], own: float) -> float:
    return sum(place[node] for node in joined) / len(joined) if joined else own
