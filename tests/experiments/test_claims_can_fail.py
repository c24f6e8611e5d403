"""Every prediction of every experiment holds in a world where it is right, and fails elsewhere.

Units are not measured here: their results are drawn around what theory says, or around something
else. A false world is a true one of which some results are off by a few standard errors, or follow
the law that the claim has to tell from its own.
"""

import numpy as np
import pytest
import xarray as xr

import amsim as am
import experiments
from amsim.theory import timing
from experiments import (
    capacity,
    certified_basin,
    free_clocks,
    frustrated_links,
    heterogeneous_tau,
    message_loss,
    mismatch,
    noise_floor,
    shared_losses,
    spurious,
    weight_drift,
)
from experiments.runner.design import Design
from experiments.runner.tolerance import LEVEL, Mean, crossing, judged, spread_of_mean


def world(name, law, seed=0, **parameters):
    """The dataset of a toy run whose units follow a law."""
    design = Design.of(experiments.find(name), **parameters)
    rng = np.random.default_rng(seed)
    blank = dict.fromkeys(design.experiment.results, 0.0)
    rows = []
    for number in range(len(design)):
        given, _ = design.unit(number)
        rows.append((number, blank | law(rng=rng, **given)))
    return design.dataset(rows)


def changed(data, where=None, **laws):
    """The same, with other values of some results, at some places."""
    other = data.copy(deep=True)
    for name, law in laws.items():
        values = law(data[name])
        other[name] = values if where is None else xr.where(where(data), values, data[name])
        other[name] = other[name].transpose(*data[name].dims)
    return other


def plus(x):
    return lambda values: values + x


def times(x):
    return lambda values: values * x


def of_asynchrony():
    def law(rng, cues, **_):
        certified = (np.arange(cues) % 2).astype(float)
        arrays = dict.fromkeys(experiments.find("asynchrony").results, np.ones(cues))
        return arrays | {"certified": certified}

    data = world("asynchrony", law)
    for execution in data.execution.values:
        one = {"execution": execution, "cue": 1, "repeat": 1, "flip": 0.1, "memories": "digits"}
        other = data.copy(deep=True)
        other.same.loc[one] = 0.0
        yield data, other


def of_message_loss():
    def law(rng, scheme, loss, quantum, memories, **_):
        scaled = 1 - loss
        attrs = {"quantum": quantum, "memories": memories}
        taken = float(message_loss.offset(xr.Dataset(attrs=attrs), loss))
        mean = {"resend, zero": scaled, "send on delta": 1 - taken}.get(scheme, 1.0)
        return {
            "overlap": mean + (0.002 * rng.normal() if loss else 0.0), "scaled": scaled,
            "distance": 1e-8, "messages": 1.0,
        }  # fmt: skip

    data = world("message_loss", law, repeats=20)
    yield data, changed(data, distance=plus(1e-3))  # nothing is repaired
    for scheme in ("resend, zero", "send on delta"):
        at = lambda d, scheme=scheme: (d.scheme == scheme) & (d.loss > 0)  # noqa: E731
        yield data, changed(data, at, overlap=plus(0.004))
    # Loss of the last messages that nobody repeats takes nothing, or all that it took away remains.
    yield data, changed(data, lambda d: d.scheme == "send on delta", overlap=lambda x: 0 * x + 1)
    delta = data.overlap.sel(scheme="send on delta", drop=True)
    yield data, changed(data, lambda d: d.scheme == "heartbeat", overlap=lambda x: delta)


def of_full_links():
    def law(bus, places, peak, **_):
        sent = 2000.0 if bus != "wait" or peak < 6 else 900.0
        left = 12.0 if bus == "drop" and peak >= 2 else 0.95
        return {"settled": 1.0, "error": left, "messages": sent, "overlap": 1.0}

    data = world("full_links", lambda rng, **given: law(**given))
    for bus in ("queue", "wait", "coalesce"):
        yield data, changed(data, lambda d, bus=bus: d.bus == bus, error=times(1.2))
        yield data, changed(data, lambda d, bus=bus: d.bus == bus, settled=times(0.0))
    for peak in (2.0, 6.0):
        at = lambda d, peak=peak: (d.bus == "drop") & (d.peak == peak)  # noqa: E731
        yield data, changed(data, at, error=times(0.5))
        deep = lambda d, at=at: at(d) & (d.places == 64)  # noqa: E731
        yield data, changed(data, deep, error=times(0.4))
    yield data, changed(data, lambda d: d.bus == "wait", messages=times(2.0))


def of_bus_quantum():
    def law(rng, star, ratio, **_):
        expected = star * (ratio / 2 if ratio > 1 else 0.5 / ratio)
        return {"error": expected * (1 + 0.01 * rng.normal()), "expected": expected, "wait": 0.1}

    data = world("bus_quantum", law, star=0.1)
    yield data, changed(data, error=lambda x: x / x.ratio)  # coarse quanta cost nothing
    yield data, changed(data, error=lambda x: x * x.ratio)  # what waits costs nothing
    for ratio in (0.25, 4.0):
        at = lambda d, ratio=ratio: d.ratio == ratio  # noqa: E731
        yield data, changed(data, at, error=times(0.2))


def of_shared_losses():
    def law(rng, kind, features, loss, **_):
        failed = shared_losses.failing(kind, loss)
        return {
            "spread": features ** shared_losses.POWERS[kind] * np.exp(0.05 * rng.normal()),
            "failed": max(failed * (1 + 0.2 * rng.normal()), 0), "lost": loss + 0.01 * rng.normal(),
        }  # fmt: skip

    data = world("shared_losses", law)
    for kind, power in shared_losses.POWERS.items():
        at = lambda d, kind=kind: d.kind == kind  # noqa: E731
        wrong = -0.5 - power
        yield data, changed(data, at, spread=lambda x, wrong=wrong: x.features**wrong)
        if "jitter" not in kind:
            yield data, changed(data, at, failed=lambda x: x + 0.05 * (x.repeat > 0))
        if kind in ("single losses", "bursts"):
            yield data, changed(data, at, lost=plus(0.03))


def of_free_clocks():
    def law(rng, period, skew, pairs, **_):
        edge = float(free_clocks.largest_gap(period))
        gap = rng.uniform(edge, period / 2) if skew else 0.0
        return {
            "cycles_barrier": rng.binomial(pairs, 0.5) / pairs, "cycles_free": float(gap < edge),
            "gap_free": gap, "differs_free": 0.1,
        }  # fmt: skip

    data = world("free_clocks", law)
    yield data, changed(data, differs_barrier=plus(1e-6))
    yield data, changed(data, cycles_barrier=lambda x: 0 * x + 1)
    yield data, changed(data, lambda d: d.skew == 0, cycles_free=lambda x: x * (x.repeat > 0))
    yield data, changed(data, lambda d: d.skew > 0, cycles_free=lambda x: x + (x.repeat == 0))
    yield data, changed(data, changed=plus(0.02))


def of_mismatch():
    def law(rng, kind, amount, **_):
        lost = {"held": 2 * amount, "flipped": 2 * amount}.get(kind, amount)
        recalled = np.exp(-lost) + 0.002 * rng.normal()
        return {
            "recalled": recalled, "expected": np.exp(-amount) + 0.002 * rng.normal(),
            "error": mismatch.off(amount) * (1 + 0.01 * rng.normal()),
        }  # fmt: skip

    data = world("mismatch", law, amount=(0.1, 0.3))
    for kind in ("symmetric", "apart", "held", "zero"):
        at = lambda d, kind=kind: d.kind == kind  # noqa: E731
        yield data, changed(data, at, recalled=plus(-0.1 if kind != "zero" else -0.5))
    yield data, changed(data, error=times(1.05))


def of_noise_floor():
    def law(rng, ratio, levels, slot, units, time, **_):
        rate = noise_floor.rate(ratio, noise_floor.OFFSETS[levels], slot)
        return {"rate": rng.poisson(rate * units * time) / units / time}

    data = world("noise_floor", law, units=2000)
    yield data, changed(data, rate=times(1.5))


def of_weight_drift():
    def law(rng, kind, age, beta, features, memories, **_):
        left = float(weight_drift.remaining(kind, age))
        found = weight_drift.expected(left, beta, features, memories)
        return {"overlap": found + 0.005 * rng.normal()}

    data = world("weight_drift", law, beta=(0.2,), age=(20.0, 86400.0))
    yield data, changed(data, overlap=plus(0.05))
    yield data, changed(data, lambda d: d.kind == "drift", overlap=plus(-0.05))
    yield data, changed(data, lambda d: d.kind == "one gain", overlap=times(0.9))


def of_spurious():
    def law(rng, beta, memories, **_):
        kept = spurious.expected_kept(beta, memories)
        variance = spurious.expected_variation(beta, memories) ** 2
        return {
            "kept": rng.binomial(memories, kept) / memories,
            "minima": np.sqrt(3 * beta) + rng.normal(),
            "radius": am.models.circle_radius(beta) + 0.001 * rng.normal(),
            "variation": np.sqrt(variance * rng.gamma(20, 1 / 20)),
        }

    data = world("spurious", law, repeats=40)
    yield data, changed(data, kept=lambda x: (1 + x) / 2)
    yield data, changed(data, minima=plus(1.0))
    yield data, changed(data, minima=times(3**-0.5))
    yield data, changed(data, radius=plus(0.001))
    yield data, changed(data, variation=times(1.2))


def of_certified_basin():
    def law(rng, patterns, flipped, memories, cues, **_):
        shares = {
            scope: rng.binomial(memories, certified_basin.share_certified(flipped, memories, scope))
            / memories
            for scope in ("link", "broadcast")
        }
        shares["link_bounded"] = np.array([
            rng.binomial(cues, certified_basin.share_certified(flipped, memories, "link", age))
            / cues
            for age in certified_basin.STALENESS
        ])  # fmt: skip
        empty = dict.fromkeys(("broadcast_bounded", "link_bounded_limit"), np.zeros(3))
        return {"recalled": 1.0, **empty, **shares}

    data = world("certified_basin", law, cues=100, repeats=10)
    yield data, changed(data, astray=plus(1.0))
    yield data, changed(data, unnested=plus(1.0))
    yield data, changed(data, beyond_limit=plus(1.0))
    yield data, changed(data, older=plus(1.0))
    yield data, changed(data, beyond_bounded_limit=plus(1.0))
    yield data, changed(data, link_bounded=times(0.3))
    yield data, changed(data, link=lambda x: data.broadcast, broadcast=lambda x: data.link)
    yield data, changed(data, link=times(0.85), broadcast=times(0.85))


def of_capacity():
    def law(rng, separation, load, units, units_exponential, checked):
        size = units_exponential if separation == "exp" else units
        most = (
            am.theory.capacity.exponential_bound(size)
            if separation == "exp"
            else am.theory.capacity.k_max(size, capacity.ORDERS[separation])
        )
        memories = max(2, round(load * most))
        error = capacity.expected_error(separation, size, memories)
        damaged = min(1.0, size * error)
        asked = min(checked, memories) * size
        return {
            "error": rng.binomial(asked, error) / asked, "predicted": error, "memories": memories,
            "damaged": rng.binomial(checked, damaged) / checked, "asked": asked,
        }  # fmt: skip

    data = world("capacity", law, load=(1.0, 4.0), repeats=200)
    yield data, changed(data, error=times(1.25))
    yield data, changed(data, error=times(0.75))
    yield data, changed(data, damaged=times(1.4))


def of_sequence_capacity():
    from experiments.sequence_capacity import theory

    def law(rng, separation, load, units, units_exponential):
        size = units_exponential if separation == "exp" else units
        length, error, expected = theory(separation, load, size)
        wrong = rng.binomial(length * size, error)
        whole = rng.random() < expected if separation == "exp" else wrong == 0
        return {
            "error": wrong / (length * size), "predicted": error, "length": length,
            "wrong": wrong, "whole": float(whole), "expected": expected, "steps": 1.0,
        }  # fmt: skip

    data = world("sequence_capacity", law, repeats=400)
    yield data, changed(data, error=times(1.3))
    yield data, changed(data, error=times(0.7))
    yield data, changed(data, whole=lambda x: x * (x.repeat % 4 > 0))
    yield data, changed(data, whole=lambda x: np.maximum(x, x.repeat % 4 == 0))


def of_history():
    def law(rng, start, delay, **_):
        return {"settled": 1.0, "recalled": 1.0, "time": np.exp(delay + 0.2 * rng.normal())}

    data = world("history", law)
    yield data, changed(data, settled=lambda x: x * (x.repeat > 0))
    yield data, changed(data, recalled=lambda x: x * (x.repeat > 0))
    yield data, changed(data, time=lambda x: x**0.7)  # twofold
    yield data, changed(data, time=lambda x: 0 * x + 2 * x.delay + 2)  # round trips


def of_binary_staleness():
    def law(rng, rule, flipped, staleness, **_):
        rate = {"difference": 2e-3, "gradient": 1e-3}[rule]
        return {
            "raising": rate * staleness * (1 + 0.01 * rng.random()), "checks": 3.0 + staleness,
            "recalled": 1.0 if flipped < 27 else 0.5 + 0.02 * rng.normal(),
            "flips_per_error": 1 + 1e-4 * rng.normal(),
        }  # fmt: skip

    data = world("binary_staleness", law, repeats=20)
    yield data, changed(data, raising=plus(1e-3))
    yield data, changed(data, raising=times(-1.0))
    for rule in data.rule.values:
        late = lambda d, rule=rule: (d.staleness > 0) & (d.rule == rule)  # noqa: E731
        yield data, changed(data, late, recalled=plus(0.03))
    inside = lambda d: (d.flipped < 27) & (d.repeat == 0)  # noqa: E731
    yield data, changed(data, inside, recalled=times(0.99))
    yield data, changed(data, flips_per_error=times(1.01))


def of_halting():
    def law(rng, lead, delay, **_):
        far, sigma = -np.log(lead), 3.0
        return {
            "sigma": sigma, "promise": 0.01, "first_quiet": 0.5, "naive_time": 0.5,
            "windowed_time": 1.0, "naive_distance": 0.5, "windowed_distance": 0.005,
            "updates": np.round(5 + far / np.log(sigma)),
            "ode_time": round(5 + far / (np.sqrt(sigma) - 1), 2),
        }  # fmt: skip

    data = world("halting", law)
    yield data, changed(data, windowed_distance=plus(0.01))
    yield data, changed(data, naive_time=plus(1e-6))
    yield data, changed(data, updates=times(1.35), ode_time=times(1.05))


def of_heterogeneous_tau():
    def law(rng, group, beta, ratio):
        if group != "mixture":
            return {"growth": -0.25}
        root = heterogeneous_tau.hopf(beta)
        return {"growth": 0.1 * np.log(ratio / root), "swing": 1.0, "rise": 0.01}

    data = world("heterogeneous_tau", law)
    mixture = lambda d: d.group == "mixture"  # noqa: E731
    yield data, changed(data, mixture, growth=plus(0.01))
    yield data, changed(data, lambda d: d.group != "mixture", growth=plus(0.3))
    yield data, changed(data, rise=plus(1e-6))


def of_frustrated_links():
    def law(rng, late, rho, delay):
        critical = frustrated_links.critical_delay(rho)
        late_link = np.log(delay / critical) if rho > 1 else -0.3
        growth = 0.1 * late_link if late == "negative link" else -0.03
        return {"growth": growth + 1e-4 * rng.normal()}

    data = world("frustrated_links", law, repeats=6)
    yield data, changed(data, growth=plus(-0.01))
    yield data, changed(data, growth=plus(0.1))
    yield data, changed(data, unstable=plus(0.1))


def of_delay_rate():
    def law(rng, sigma, delay, tau_hidden, **_):
        rate = timing.uniform_delay_rate(sigma, 1.0, tau_hidden, delay)
        return {"rate": rate * (1 + 0.002 * rng.normal()), "root": rate}

    data = world("delay_rate", law, repeats=8)
    yield data, changed(data, root=times(1 + 1e-6))
    yield data, changed(data, rate=times(1.01))


def of_normaliser_lag():
    laws = {"slow": timing.critical_normaliser_lag, "late": timing.critical_normaliser_delay}

    def law(rng, kind, kappa, memories, **_):
        theory = laws[kind](kappa)
        return {"threshold": theory * 1.001, "change": theory * 0.002, "purity": 1.0}

    data = world("normaliser_lag", law)
    yield data, changed(data, threshold=times(1.02))


def of_precision():
    def law(rng, weight_bits, quantum, rounding, memories, **_):
        shares = rng.random((memories, 64))
        chance = np.where(rng.random(shares.shape) < shares, 1 - shares, shares)
        worst = chance if rounding == "stochastic" else shares / 2
        errors = worst.max(axis=1)
        similarity = {"stochastic": 1.0, "nearest": 0.5, "learned": 0.7}[rounding]
        return {
            "step": 1.0, "error": np.median(errors), "worst_error": errors.max(), "energy": 1.0,
            "recalled": 1.0 if rounding == "learned" else 0.6, "same_basin": 1.0,
            "similarity": similarity + 0.02 * rng.normal(), "similarity_error": 0.02,
            "feature_messages": 100 + 0.1 * rng.normal(),
            "expected_messages": 100.0 if quantum else np.nan, "messages_error": 1e-3,
            "all_messages": 1.0,
        }  # fmt: skip

    data = world("precision", law)
    yield data, changed(data, error=times(0.98))
    yield data, changed(data, worst_error=times(1.1))
    yield data, changed(data, feature_messages=times(1.01))
    for name, factor in (("stochastic", 0.8), ("nearest", 1.3)):
        at = lambda d, name=name: d.rounding == name  # noqa: E731
        yield data, changed(data, at, similarity=times(factor))
    yield data, changed(data, lambda d: d.rounding == "stochastic", error=times(0.8))
    yield data, changed(data, lambda d: d.rounding == "learned", recalled=times(0.2))


def of_nudges():
    def law(rng, phases, nudge, quantum, **_):
        error = {"centred": nudge**2, "one-sided": nudge, "events": quantum / nudge}[phases]
        return {"error": error * np.exp(0.05 * rng.normal() * (phases == "events"))}

    data = world("nudges", law)
    for phases in data.phases.values:
        at = lambda d, phases=phases: d.phases == phases  # noqa: E731
        yield data, changed(data, at, error=lambda x: x * x.nudge**0.5)
    yield data, changed(data, lambda d: d.phases == "events", error=lambda x: x / x.quantum)


def of_consolidation():
    def law(rng, samples, flip, **_):
        spread, noise = 4 * flip * (1 - flip), 0.005 * rng.normal()
        return {
            "to_sample": spread * (1 - 1 / samples) + abs(noise),
            "to_prototype": 4 * flip**2 + spread / samples + noise,
            "to_new": spread * (1 + 1 / samples) + abs(noise),
        }

    data = world("consolidation", law)
    yield data, changed(data, to_prototype=plus(0.1))
    for load in data.samples.values:
        at = lambda d, load=load: d.samples == load  # noqa: E731
        yield data, changed(data, at, to_new=times(1.1))


def of_learned_digits():
    def law(rng, fault, trained, **_):
        mean = {"never": 0.8, "before": 0.85, "through": 0.9}[trained]
        return {"accuracy": np.clip(mean + 0.005 * rng.normal(), 0, 1)}

    data = world("learned_digits", law)
    through = data.accuracy.sel(trained="through", drop=True)
    for fault in data.fault.values:
        worse = lambda d, fault=fault: (d.fault == fault) & (d.trained == "through")  # noqa: E731
        yield data, changed(data, worse, accuracy=plus(-0.2))
    better = lambda d: (d.fault == "mismatch") & (d.trained == "before")  # noqa: E731
    yield data, changed(data, better, accuracy=lambda x: np.minimum(through + 0.05, 1.0))


def of_readout():
    def law(rng, horizon, **_):
        at = 0.1 * np.arange(1 + round(horizon / 0.1))
        error = 0.9 * (1e-3 + 0.1 * np.exp(-at))
        return {
            "error": error, "error_jittered": error, "offset": 1e-3, "rate": 1.0,
            "t_read": np.log(0.1 / 0.004),
        }  # fmt: skip

    data = world("readout", law)
    yield data, changed(data, error=times(1.2))
    yield data, changed(data, error_jittered=plus(0.01))


@pytest.mark.parametrize("name", experiments.names())
def test_every_prediction_holds_where_it_is_right_and_fails_where_it_is_wrong(name):
    judge = experiments.find(name).judge
    judged_last = open_claims = None
    for right, wrong in globals()[f"of_{name}"]():
        if right is not judged_last:
            claims = [claim for claim in judge(right) if claim.predicted is not None]
            judged_last = right
            assert [claim for claim in claims if not claim.holds] == []
        verdicts = [claim.holds for claim in judge(wrong) if claim.predicted is not None]
        assert len(verdicts) == len(claims) > 0
        assert False in verdicts  # each of these worlds is found out
        open_claims = set(range(len(claims))) if open_claims is None else open_claims
        open_claims -= {i for i, holds in enumerate(verdicts) if holds is False}
    assert [claims[i].text for i in sorted(open_claims)] == []


def test_true_predictions_fail_together_as_often_as_they_may():
    """By luck, one verdict of a hundred; each claim as one of ten."""
    rng = np.random.default_rng(0)
    verdicts = 2000
    draws = rng.normal(3.0, 2.0, (verdicts, 10, 5))
    failed = sum(
        any(not claim.holds for claim in judged(Mean("m", part, 3.0) for part in verdict))
        for verdict in draws
    )
    assert failed == pytest.approx(LEVEL * verdicts, abs=4 * np.sqrt(LEVEL * verdicts))


def test_what_draws_cannot_tell_is_not_judged():
    draws = [0.9, 1.0, 1.1, 1.0]
    assert Mean("m", draws, 1.0).judge(1).holds is True
    assert Mean("m", draws, 1.0, null=2.0).judge(1).holds is True
    assert Mean("m", draws, 1.0, null=1.1).judge(1).holds is None
    assert Mean("m", draws, 1.5).judge(1).holds is False
    assert Mean("m", draws, 1.5, resolution=0.5).judge(1).holds is True
    assert Mean("m", draws, 0.5, side="above").judge(1).holds is True
    assert Mean("m", draws, 1.05, side="above").judge(1).holds is None
    assert Mean("m", draws, 0.5, side="below").judge(1).holds is False
    assert Mean("m", [1.0], 1.0).judge(1).holds is None
    assert "too few draws to tell" in Mean("m", [1.0, np.nan], 1.0).judge(1).text
    assert spread_of_mean(draws, 10) > spread_of_mean(draws, 1)


def test_crossings():
    x = np.linspace(0, 3, 7)
    root, slack = crossing(x, x**2 - 2)
    assert abs(root - np.sqrt(2)) <= slack < 0.05
    assert np.isnan(crossing(x, x + 1)).all()
