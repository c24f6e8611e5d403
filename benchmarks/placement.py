"""Placements against random, greedy and other solvers', and the costs of recalls.

    python benchmarks/placement.py split hops costs --figure docs/images/placement.png

"split": messages between cores, against all ways to share out small networks (--cases), and for
larger ones against random and greedy filling and a partition by networkx (Kernighan-Lin). "hops":
messages times hops, against random and greedy places, SciPy's FAQ alone and its exchanges ("2opt").
"costs": one recall at Loihi 1 prices over weight bits, quantum and cores; what it costs in accuracy
stands beside it.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from harness import one_thread, show

one_thread()

import numpy as np  # noqa: E402
from scipy.optimize import quadratic_assignment  # noqa: E402

import amsim as am  # noqa: E402
import hardware as hw  # noqa: E402
from hardware.placement import mesh as meshes  # noqa: E402
from hardware.placement import split as splitting  # noqa: E402
from hardware.placement.arrange import arrange  # noqa: E402
from hardware.placement.core import Load, Sizes, uses  # noqa: E402

RATES = (1.0, 1.0, 3.0, 3.0)


def legal(network: Sizes, chip: hw.Chip, loads: list[Load]) -> bool:
    held = sum(x.features > 0 for x in loads), sum(x.memories > 0 for x in loads)
    return all(u.fits for x in loads for u in uses(network, chip, x, held))


def best_of_all(network: Sizes, chip: hw.Chip, most: int) -> tuple[int, float]:
    """Fewest cores, and their least cut, by trying everything."""
    from itertools import combinations_with_replacement, product

    kinds = list(product(range(network.features + 1), range(network.memories + 1)))
    for cores in range(1, most + 1):
        cuts = []
        for loads in combinations_with_replacement(kinds, cores):
            a, b = (sum(column) for column in zip(*loads, strict=True))
            if (a, b) != (network.features, network.memories):
                continue
            for s in range(cores) if network.normaliser else [-1]:
                made = [Load(x, y, i == s) for i, (x, y) in enumerate(loads)]
                if Load(0, 0, False) not in made and legal(network, chip, made):
                    cuts.append(splitting.cut(network, tuple(made), RATES))
        if cuts:
            return cores, min(cuts)
    raise AssertionError


def exhaustive(cases: int) -> None:
    ratios, fewest, seed = [], 0, 0
    while len(ratios) < cases:
        rng = np.random.default_rng(seed)
        seed += 1
        d, k = int(rng.integers(1, 7)), int(rng.integers(1, 7))
        network = Sizes(d, k, bool(rng.random() < 0.5), 8)
        values = {
            "neurons_per_core": int(rng.integers(1, 10)),
            "synapse_bytes_per_core": int(rng.integers(max(d, k) + 1, d * k + 2 * k + 8)),
        }
        if rng.random() < 0.4:
            values["axons_in_per_core"] = int(rng.integers(d + k, 3 * (d + k)))
            values["axons_out_per_core"] = int(rng.integers(4, 30))
        chip = hw.CHIPS["loihi2"].assuming(**values)
        try:
            loads = splitting.split(network, chip, RATES)
        except splitting.DoesNotFit:
            continue
        if not 2 <= len(loads) <= 4:
            continue
        cores, cut = best_of_all(network, chip, len(loads))
        fewest += len(loads) == cores
        ratios.append(splitting.cut(network, loads, RATES) / cut if len(loads) == cores else np.inf)
    known = np.array(ratios)
    print(
        f"{cases} networks on 2 to 4 cores: fewest cores in {fewest}, and then the least cut in "
        f"{int((known < 1 + 1e-9).sum())}, at most {known[np.isfinite(known)].max():.2f} of it"
    )


def filled(network: Sizes, chip: hw.Chip, order: str, greedy: bool) -> list[Load]:
    """Units one by one to a core with room: the least cut, or the first."""
    loads: list[Load] = []
    for unit in order:
        tried = []
        for core, x in enumerate([*loads, Load(0, 0, False)]):
            grown = Load(
                x.features + (unit == "f"), x.memories + (unit == "m"), x.normaliser or unit == "n"
            )
            now = [*loads[:core], grown, *loads[core + 1 :]]
            if legal(network, chip, now):
                new = core == len(loads)
                tried.append((new, _cut(network, now) if greedy else 0.0, core, now))
        loads = min(tried, key=lambda x: x[:3])[3]
    return loads


def _cut(network: Sizes, loads: list[Load]) -> float:
    if not any(x.normaliser for x in loads):
        network = Sizes(network.features, network.memories, False, network.weight_bits)
    return splitting.cut(network, tuple(loads), RATES)


def kernighan_lin(network: Sizes, chip: hw.Chip) -> list[Load]:
    """Halve the graph of units with networkx until every part fits into a core."""
    import networkx as nx
    from networkx.algorithms.community import kernighan_lin_bisection

    features = [("f", i) for i in range(network.features)]
    memories = [("m", i) for i in range(network.memories)]
    graph = nx.complete_bipartite_graph(0, 0)
    graph.add_edges_from(((f, m) for f in features for m in memories), weight=2.0)
    if network.normaliser:
        graph.add_edges_from(((m, ("n", 0)) for m in memories), weight=RATES[2])

    def load(part: set[tuple[str, int]]) -> Load:
        return Load(
            sum(u == "f" for u, _ in part), sum(u == "m" for u, _ in part), ("n", 0) in part
        )

    parts = [set(graph)]
    while True:
        loads = [load(part) for part in parts]
        if legal(network, chip, loads):
            return loads
        held = sum(x.features > 0 for x in loads), sum(x.memories > 0 for x in loads)
        wrong = next(
            i
            for i, x in enumerate(loads)
            if not all(use.fits for use in uses(network, chip, x, held))
        )
        part = parts.pop(wrong)
        parts += map(set, kernighan_lin_bisection(graph.subgraph(part), weight="weight", seed=0))


def splitters(network: Sizes, chip: hw.Chip) -> dict[str, Callable[[], list[Load]]]:
    grouped = "n" + "m" * network.memories + "f" * network.features
    shuffled = "".join(np.random.default_rng(0).permutation(list(grouped)))
    return {
        "amsim": lambda: list(splitting.split(network, chip, RATES)),
        "greedy, least cut": lambda: filled(network, chip, grouped, True),
        "greedy, random order": lambda: filled(network, chip, shuffled, True),
        "first core with room, random": lambda: filled(network, chip, shuffled, False),
        "networkx Kernighan-Lin": lambda: kernighan_lin(network, chip),
    }


def split(cases: int) -> None:
    exhaustive(cases)
    rows = []
    for features, memories, neurons, memory in ((30, 40, 12, 400), (64, 100, 64, 1000)):
        network = Sizes(features, memories, True, 8)
        chip = hw.CHIPS["loihi2"].assuming(neurons_per_core=neurons, synapse_bytes_per_core=memory)
        for name, contender in splitters(network, chip).items():
            start = time.process_time()
            loads = contender()
            rows.append(
                {
                    "features x memories": f"{features} x {memories}",
                    "split": name,
                    "cores": len(loads),
                    "messages between cores": str(round(_cut(network, loads))),
                    "CPU / s": time.process_time() - start,
                }
            )
    show(rows)


def greedy_places(flows: np.ndarray, slots: np.ndarray) -> np.ndarray:
    talk, distance = flows + flows.T, meshes.distances(slots)
    places = {int(talk.sum(axis=1).argmax()): 0}
    while len(places) < len(flows):
        placed, taken = list(places), list(places.values())
        core = max(set(range(len(flows))) - set(placed), key=lambda c: talk[c, placed].sum())
        added = distance[:, taken] @ talk[core, placed]
        added[taken] = np.inf
        places[core] = int(added.argmin())
    return slots[[places[core] for core in range(len(flows))]]


def by_scipy(flows: np.ndarray, slots: np.ndarray, *, exchanges: bool) -> np.ndarray:
    offered = slots[: -(-len(flows) // 4) * 4]
    size = len(offered)
    talk = np.zeros((size, size))
    talk[: len(flows), : len(flows)] = flows + flows.T
    np.fill_diagonal(talk, 0)
    hops = meshes.distances(offered).astype(float)
    order = quadratic_assignment(talk, hops).col_ind
    if exchanges:
        guess = np.stack([np.arange(size), order], axis=1)
        order = quadratic_assignment(
            talk, hops, method="2opt", options={"partial_guess": guess}
        ).col_ind
    return offered[order[: len(flows)]]


def placers(flows: np.ndarray, slots: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    rng = np.random.default_rng(0)
    return {
        "amsim": lambda: arrange(flows, slots, 4, 0),
        "greedy": lambda: greedy_places(flows, slots),
        "random, in the middle": lambda: rng.permutation(slots[: len(flows)]),
        "random, on the chip": lambda: rng.permutation(slots)[: len(flows)],
        "SciPy FAQ": lambda: by_scipy(flows, slots, exchanges=False),
        "SciPy FAQ, then 2opt": lambda: by_scipy(flows, slots, exchanges=True),
    }


def hops() -> None:
    rows = []
    for features, memories in ((784, 1000), (784, 2000), (784, 10000)):
        patterns = am.patterns.random(memories, features, seed=0)
        plan = hw.compile(am.dense_am(patterns, hidden=am.Softmax(0.5)))
        placement = hw.place(plan)
        flows, slots = placement.flows, placement.mesh.slots()
        for name, contender in placers(flows, slots).items():
            start = time.process_time()
            routers = contender()
            rows.append(
                {
                    "features x memories": f"{features} x {memories}",
                    "cores": len(flows),
                    "places": name,
                    "hops per cue / 1e6": float((flows * meshes.distances(routers)).sum()) / 1e6,
                    "CPU / s": time.process_time() - start,
                }
            )
    show(rows)


def costs() -> None:
    gray = 2 * am.patterns.digits_gray(100) - 1
    digits = (gray - gray.mean(axis=0)) / gray.std()
    rng = np.random.default_rng(0)
    noise = rng.uniform(digits.min(), digits.max(), digits.shape)
    cues = np.where(rng.random(digits.shape) < 0.3, noise, digits)[:20]
    network = am.dense_am(digits, hidden=am.Softmax(2.0))
    rows = []
    for bits in (8, 4):
        for quantum in (0.0, 0.001, 0.01, 0.1):
            plan = hw.compile(network, weight_bits=bits, quantum=quantum)
            comparison = hw.compare(plan, cues)
            for cores in (1, 16):
                (row,) = hw.compare_costs(
                    network,
                    cues,
                    chips=["loihi1"],
                    weight_bits=[bits],
                    quanta=[quantum],
                    cores=cores,
                ).rows
                rows.append(cost_row(row, comparison))
    show(rows)
    patterns = am.patterns.random(2000, 784, seed=0)
    large = am.dense_am(patterns, hidden=am.Softmax(0.5))
    shown = am.patterns.corrupt(patterns[:4], flip=0.2, seed=1)
    rows = []
    for bits in (8, 4, 2):
        for quantum in (0.0, 0.001, 0.01):
            for cores in (None, 128):
                (row,) = hw.compare_costs(
                    large,
                    shown,
                    chips=["loihi1"],
                    weight_bits=[bits],
                    quanta=[quantum],
                    cores=cores,
                ).rows
                rows.append(cost_row(row, None))
    show(rows)


def cost_row(row: hw.CostRow, comparison: hw.Comparison | None) -> dict[str, object]:
    assert row.placement is not None
    assert row.estimate is not None
    parts = {name: 1e6 * energy[1] for name, (energy, _) in row.estimate.by_part.items()}
    cells: dict[str, object] = {
        "bits": row.weight_bits,
        "quantum": row.quantum,
        "cores": row.placement.n_cores,
        "messages": row.messages,
        "synops uJ": parts["synaptic operations"],
        "updates uJ": parts["neuron updates"],
        "mesh uJ": parts["mesh"],
        "static uJ": parts["static"],
        "energy uJ": 1e6 * row.estimate.energy[1],
        "time ms": 1e3 * row.estimate.latency[1],
    }
    if comparison is not None:
        good = comparison.total[comparison.good]
        cells["same basin"] = float(comparison.same_basin.mean())
        cells["error"] = float(np.median(good))
    return cells


def figure(path: Path) -> None:
    patterns = am.patterns.random(2000, 784, seed=0)
    plan = hw.compile(am.dense_am(patterns, hidden=am.Softmax(0.5)))
    run = hw.run(plan, am.patterns.corrupt(patterns[:4], flip=0.2, seed=1))
    hw.place(plan, run=run).plot().savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", nargs="+", choices=("split", "hops", "costs", "figure"))
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--figure", type=Path, default=Path("docs/images/placement.png"))
    args = parser.parse_args()
    warnings.simplefilter("ignore", am.GuaranteeWarning)
    tasks: dict[str, Callable[[], None]] = {
        "split": lambda: split(args.cases),
        "hops": hops,
        "costs": costs,
        "figure": lambda: figure(args.figure),
    }
    for what in args.what:
        print(f"\n{what}")
        tasks[what]()


if __name__ == "__main__":
    main()
