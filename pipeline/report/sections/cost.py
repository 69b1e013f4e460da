"""Show what another threshold would cost: missed defects against false alarms."""

from __future__ import annotations

from collections.abc import Mapping

from features.arrays import Floats
from pipeline.evaluation.band import Band
from pipeline.evaluation.predictions import Predictions
from pipeline.output.wording import percent
from pipeline.report.html import Row, element, join, table
from pipeline.report.page import Section, paragraphs
from pipeline.report.svg import GUIDE, Axis, Chart, Line, Mark, Point
from pipeline.thresholds.costs import Curve, Weights
from pipeline.thresholds.decision import Decision, Unseen
from pipeline.thresholds.outcome import Outcome

_RATIOS = (1, 10, 100)  # what a missed defect costs, if a false alarm costs 1
_LISTED = 20  # thresholds that stand in the tables


def section(
    predicted: Predictions, decision: Decision | None = None, unseen: Unseen | None = None
) -> Section | None:
    """Show errors and costs over all thresholds; None without both of two classes.

    Args:
        predicted: photographs that the model never saw.
        decision: of the model: costs, and the share of defects to reckon with, where given.
        unseen: the curve to show instead of that of `predicted`: of the photographs that the
            thresholds were chosen on.
    """
    positive = predicted.y == 1
    if not predicted.classes.binary or positive.all() or not positive.any():
        return None
    unit = _unit(predicted, decision)
    if unseen is None:
        whole = Curve.of(predicted.y, predicted.probabilities[:, 1])
        outcome = Outcome.of(
            predicted.y, predicted.probabilities[:, 1], predicted.groups, predicted.band
        )
        where = f"These curves are of the {predicted.unit}s scored here."
    else:
        whole, outcome = unseen.curve, unseen.outcome
        where = f"These curves are of the {unit}s that the threshold was chosen on ({unseen.how})."
    given = None if decision is None else decision.defect_rate
    rate = float(positive.mean()) if given is None else given
    curve, costs, shares = whole.thinned(), _costs_of(decision, rate), _shares(outcome, unit)
    values = {name: 100 * curve.costs(weights) for name, weights in costs.items()}
    errors_chart = _errors(predicted.band, curve, shares, unit)
    costs_chart = _costs(predicted.band, curve, values, _cost_here(costs, shares), unit)
    unpriced = " What a person has to look at costs nothing in them."
    body = [
        paragraphs(
            "A lower threshold misses fewer defects and rejects more healthy parts. What is best "
            f"depends on what either costs you. {where}",
            f"The costs are for {percent(rate)} of defective {unit}s; with another share of "
            "defects they move." + (unpriced if predicted.band.has_review else ""),
        ),
        element("div", errors_chart.html(), costs_chart.html(), class_="pair"),
        table(
            f"The cheapest threshold on these {unit}s",
            ["a missed defect costs", "threshold", "defective missed", "healthy rejected"],
            [_cheapest(whole, title, weights) for title, weights in costs.items()],
        ),
        paragraphs(
            "This is to show what is at stake. Do not quote these shares as a result: the "
            f"thresholds were found on the very {unit}s that they are scored on."
        ),
    ]
    return Section("cost", "Cost: what another threshold would change", join(body))


def _cheapest(whole: Curve, title: str, weights: Weights) -> Row:
    """Give the line of the table for one relation of costs."""
    best = whole.cheapest(weights)
    at = int((whole.thresholds == best).argmax())
    return [title, f"{best:.3g}", percent(whole.missed[at]), percent(whole.rejected[at])]


def _costs_of(decision: Decision | None, rate: float) -> dict[str, Weights]:
    """List the costs that were given, or a few to show what they change, by what they are."""
    rule = None if decision is None else decision.rule
    if rule is not None and rule.cost_missed is not None and rule.cost_false is not None:
        title = f"{rule.cost_missed:g}, a false alarm {rule.cost_false:g}"
        return {title: Weights.of(rule.cost_missed, rule.cost_false, rate)}
    return {
        "as much as a false alarm" if ratio == 1 else f"{ratio} times a false alarm": Weights.of(
            ratio, 1, rate
        )
        for ratio in _RATIOS
    }


def _unit(predicted: Predictions, decision: Decision | None) -> str:
    """Say what the curves count: parts, where these are judged as wholes."""
    wholes = decision is not None and decision.of_wholes and _several(predicted)
    return "part" if wholes else predicted.unit


def _several(predicted: Predictions) -> bool:
    return predicted.unit == "part" or len(set(predicted.groups.tolist())) < len(predicted.y)


def _cost_here(costs: Mapping[str, Weights], shares: tuple[float, float]) -> float | None:
    """Compute the cost of 100 photographs or parts at the model's thresholds; None for several."""
    if len(costs) > 1:
        return None
    (weights,) = costs.values()
    missed, rejected = shares
    return 100 * (weights.missed * missed + weights.rejected * rejected)


def _shares(outcome: Outcome, unit: str) -> tuple[float, float]:
    """Compute the shares missed among defective photographs or parts, rejected among good ones."""
    defective, good = outcome.defective, outcome.good
    if unit == "part":
        defective, good = outcome.defective_parts, outcome.good_parts
    return defective.passed / max(defective.total, 1), good.rejected / max(good.total, 1)


def _errors(band: Band, curve: Curve, shares: tuple[float, float], unit: str) -> Chart:
    missed, rejected = shares
    listed = curve.thinned(_LISTED)
    rows: list[Row] = [
        [f"{t:.3g}", percent(m), percent(r)]
        for t, m, r in zip(listed.thresholds, listed.missed, listed.rejected, strict=True)
    ]
    return Chart(
        "errors",
        "Errors of both kinds by threshold",
        f"At the model's own {_named(band)}, {percent(missed)} of the defective "
        f"{unit}s are missed and {percent(rejected)} of the healthy ones rejected.",
        _threshold_axis(),
        Axis.shares("share"),
        ["threshold", "defective ones missed", "healthy ones rejected"],
        rows,
        lines=[
            *_guides(band),
            Line("defective ones missed", _points(curve, curve.missed), 1),
            Line("healthy ones rejected", _points(curve, curve.rejected), 0),
        ],
    )


def _costs(
    band: Band, curve: Curve, values: Mapping[str, Floats], here: float | None, unit: str
) -> Chart:
    """Draw costs in their unit where these were given, else as shares of the highest."""
    listed = range(0, len(curve.thresholds), max(1, len(curve.thresholds) // _LISTED))
    rows: list[Row] = [
        [f"{curve.thresholds[i]:.3g}", *(f"{of[i]:.3g}" for of in values.values())] for i in listed
    ]
    if here is None:
        axis = Axis.shares("share of the highest cost")
        shown = {name: of / max(of.max(), 1e-12) for name, of in values.items()}
    else:
        shown = dict(values)
        highest = [float(of.max()) for of in values.values()]
        axis = Axis.covering(f"cost of 100 {unit}s", highest, at_least=(0, 1e-9))
    said = "; ".join(
        f"if a missed defect costs {name}, threshold "
        f"{curve.thresholds[of.argmin()]:.3g} is the cheapest here"
        for name, of in values.items()
    )
    return Chart(
        "costs",
        f"Cost of 100 {unit}s by threshold",
        f"{said}." + ("" if here is None else f" At the model's own {_named(band)}: {here:.3g}."),
        _threshold_axis(),
        axis,
        ["threshold", *(f"a missed defect costs {name}" for name in values)],
        rows,
        lines=[
            *_guides(band),
            *(
                Line(f"a missed defect costs {name}", _points(curve, of), style)
                for style, (name, of) in enumerate(shown.items())
            ),
        ],
        marks=[Mark("what the model's own costs", [(band.pass_below, here)], 1)]
        if here is not None
        else [],
    )


def _threshold_axis() -> Axis:
    return Axis("threshold", 0, 1, (0, 0.25, 0.5, 0.75, 1))


def _named(band: Band) -> str:
    if band.has_review:
        return f"thresholds {band.pass_below:.3g} and {band.reject_from:.3g}"
    return f"threshold {band.pass_below:.3g}"


def _guides(band: Band) -> list[Line]:
    ends = dict.fromkeys((band.pass_below, band.reject_from))
    title = "this model's threshold" + ("s" if len(ends) > 1 else "")
    return [Line("" if i else title, [(t, 0), (t, 1e9)], GUIDE) for i, t in enumerate(ends)]


def _points(curve: Curve, values: Floats) -> list[Point]:
    """Give a step for each threshold that makes a difference: it holds up to the next one."""
    return list(zip(curve.thresholds.tolist(), values.tolist(), strict=True))
