"""What an audit's numbers say, and what cannot be said: the report's text, tables and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import numpy as np

from rightreasons.audit import pictures
from rightreasons.audit.document import Document, Part, Picture, Points, Section, Table, Text
from rightreasons.audit.marks import LEAST, MOST, Effect
from rightreasons.audit.results import Audited, Number, interval, percent, share
from rightreasons.audit.study import BY, FACE_MARKS, OWN, PLAIN
from rightreasons.study.plan import Plan

#: Groups with fewer images of a class are named among what cannot be said.
FEW = 30
MISSING = Number(np.nan, np.nan, np.nan, 0)
#: A mark on more of the image than this is everywhere: maps cannot show where.
WIDE = 0.9
#: Most example images.
EXAMPLES = 6
RATES = {**pictures.RATES, "auroc": "AUROC"}
OVERALL = {
    "accuracy": "Accuracy",
    "lowest_group_accuracy": "Accuracy of the group that has the lowest",
    "worst_group_accuracy": "Accuracy of the group and class that have the lowest",
    "accuracy_gap": "Accuracy, largest difference between groups",
    "demographic_parity_difference": "Demographic parity, largest difference",
    "demographic_parity_ratio": "Demographic parity, smallest ratio",
    "equal_opportunity_difference": "Equal opportunity, largest difference",
    "equalized_odds": "Equalized odds, largest difference",
    "auroc_gap": "AUROC, largest difference",
}


def document_of(plan: Plan, *, show_images: bool = False) -> Document:
    """Return the report of an audit.

    Parameters
    ----------
    plan
        Of the audit's study, which has run.
    show_images
        Whether single images may be shown.
    """
    it = Audited(plan)
    sections = [
        Section("In short", (Points(tuple(_short(it))),)),
        Section("Groups", tuple(_groups(it))),
        Section("Where the model looks", tuple(_looks(it, show_images))),
    ]
    if it.effects:
        sections.append(Section("What sways the model", tuple(_sways(it))))
    sections.append(Section("What cannot be said", (Points(tuple(_unsaid(it))),)))
    return Document(
        title=f"Audit: {_model(plan)}, {_task(plan).target}",
        facts=tuple(_facts(it)),
        sections=tuple(sections),
        foot=f"Right Reasons {version('rightreasons')}. All numbers are in the tables of the "
        "study that this report is made from; its config is study.yaml.",
    )


def _task(plan: Plan) -> Any:
    return plan.study.tasks[OWN]


def _model(plan: Plan) -> str:
    path = plan.study.model.path()
    return path.name if path else plan.study.model.architecture


def _facts(it: Audited) -> Iterator[tuple[str, str]]:
    study, task = it.plan.study, _task(it.plan)
    data = study.datasets["images"]
    model = study.model
    yield "Model", f"{model.architecture}, {_model(it.plan)}"
    yield "Images", f"{len(it.own):,} of {data['images']}, {data['size']} x {data['size']} pixels"
    yield "Target", f"{task.target} (classes: {', '.join(it.classes)})"
    yield "Protected", f"{task.protected} ({len(it.groups)} groups: {_listed(it.groups)})"
    yield "Region", "not named" if it.region is None else str(it.region)
    maps = len(it.map_set.index) // len(it.map_set.maps)
    yield "Maps", f"of {maps} images, of the logit of the predicted class"


def _short(it: Audited) -> Iterator[str]:
    right, odds = it.overall["accuracy"], it.overall["equalized_odds"]
    yield (
        f"The model is right in {percent(right.value)} of {right.n:,} images (95 % interval "
        f"{interval(right.low, right.high)})."
    )
    if np.isnan(odds.value):
        yield "Groups cannot be compared: fewer than two of them have images of both classes."
    else:
        yield (
            f"True or false positives differ between groups by up to {odds} (equalized odds)."
            + " So small a difference can be chance." * (odds.low < LEAST)
        )
    if it.region is not None:
        yield _of_region(it)
    if it.effects:
        yield from _verdicts(it.effects, it.classes)


def _of_region(it: Audited) -> str:
    found = it.of_maps(OWN, "rrf")
    parts = [f"{name} {share(one.value)}" for name, one in found.items() if not it.is_control(name)]
    area = share(it.region_share(OWN))
    return f"The region is {area} of the image; of the relevance it has: {', '.join(parts)}."


def _verdicts(effects: list[Effect], classes: list[str]) -> Iterator[str]:
    """Yield a sentence per mark that sways the model, or one that none does."""
    swaying = [effect for effect in effects if effect.sways]
    plain = next((effect for effect in effects if effect.mark == PLAIN), None)
    for effect in swaying:
        to = classes[1] if effect.shift > 0 else classes[0]
        how = "strongly" if effect.strong else "to some degree"
        which = "that it can turn to “{to}” " if len(classes) == 2 else ""
        text = (
            f"“{effect.mark}”, laid over the images, sways the model {how}: of the decisions "
            f"{which.format(to=to)}it turns {percent(effect.turned)} "
            f"{interval(effect.turned_low, effect.turned_high)}."
        )
        if plain is not None and effect.mark.startswith("watermark"):
            text += f" A plain patch in the same place turns {percent(plain.turned)}."
        yield text
    if not swaying:
        yield (
            f"None of {len(effects)} marks ({_listed([e.mark for e in effects])}) pushes decisions "
            f"one way in {percent(LEAST)} of images or more."
        )


def _groups(it: Audited) -> Iterator[Part]:
    zero, one = it.classes[0], it.classes[1]
    if len(it.classes) == 2:
        yield Picture(
            pictures.groups_picture(it.by_group, it.groups),
            alt=f"Rates of {len(it.groups)} groups with intervals; the numbers are in the table.",
            caption=f"Each group with its 95 % interval; 1 is {one}, 0 is {zero}.",
        )
    shown = RATES if len(it.classes) == 2 else {"accuracy": RATES["accuracy"]}
    table = []
    for number, name in enumerate(it.groups):
        mine = it.rates(number)
        cells = (str(mine.get(metric, MISSING)) for metric in shown)
        table.append((name, f"{mine['accuracy'].n:,}", *cells))
    yield Table(
        ("group", "images", *shown.values()),
        tuple(table),
        f"Decided 1 is decided “{one}”. In brackets the 95 % interval: Wilson's of shares, the "
        "bootstrap's of the AUROC. What rests on no image is missing.",
    )
    found = {words: it.overall[metric] for metric, words in OVERALL.items() if metric in it.overall}
    yield Table(
        ("", "value", "95 % interval"),
        tuple((words, share(n.value), interval(n.low, n.high)) for words, n in found.items()),
        "The largest of several differences is too large on average: with many small groups read "
        "it beside its interval.",
    )


def _looks(it: Audited, show_images: bool) -> Iterator[Part]:
    named, maps = list(it.map_set.explainers()), []
    roi = _rectangle(it)
    for name, array, _ in named:
        if not it.is_control(name):
            sizes = np.abs(array)
            peaks = sizes.max(axis=(1, 2), keepdims=True)
            maps.append((name, (sizes / np.where(peaks > 0, peaks, 1)).mean(axis=0)))
    yield Picture(
        pictures.maps_picture(maps, roi),
        alt="Mean map of each explainer: darker is more relevance.",
        caption=f"Mean over {len(named[0][1])} images of |relevance|, each map divided by its "
        "maximum; darker is more." + (" Blue: the region." if roi is not None else ""),
    )
    if it.region is not None:
        yield _region_table(it)
    if show_images:
        yield _examples(it, roi)


def _region_table(it: Audited) -> Table:
    metrics = {"rrf": "relevance in the region", "top_fraction": "top pixels in the region"}
    tables = {name: it.of_maps(OWN, name) for name in metrics}
    rows = []
    for name in tables["rrf"]:
        words = f"{name} (sees no model)" if it.is_control(name) else name
        rows.append((words, *(str(table.get(name, MISSING)) for table in tables.values())))
    return Table(
        ("explainer", *metrics.values()),
        tuple(rows),
        f"The region has {share(it.region_share(OWN))} of the image. An explainer that sees no "
        "model shows what a map has there for the images' sake alone.",
    )


def _rectangle(it: Audited) -> np.ndarray | None:
    """Return the region as a mask where it is the same in all images."""
    if not isinstance(it.region, list):
        return None
    from rightreasons.regions.rois import rectangle_mask

    height, width = it.map_set.maps.shape[2:]
    mask: np.ndarray = rectangle_mask(it.region, height=height, width=width)
    return mask


def _examples(it: Audited, roi: np.ndarray | None) -> Picture:
    name, maps, rows = next(it.map_set.explainers())
    group = it.group(OWN)
    pool = np.load(it.plan.pool(group.dataset).output.images, mmap_mode="r")
    cells = rows.groupby(["target", "protected"]).cumcount()
    chosen = rows.assign(turn=cells).sort_values(["turn", "target", "protected"]).index[:EXAMPLES]
    words = [f"{rows.loc[i, 'target']}, {it.groups[rows.loc[i, 'protected']]}" for i in chosen]
    return Picture(
        pictures.examples_picture(
            pool[rows.loc[chosen, "row"]], np.abs(maps[chosen.to_numpy()]), words, roi
        ),
        alt=f"{len(chosen)} images above their maps by {name}.",
        caption=f"Images of classes (1 is {it.classes[1]}) and groups, and their maps by {name}.",
    )


def _sways(it: Audited) -> Iterator[Part]:
    zero, one = it.classes[0], it.classes[1]
    yield Text(
        "Each mark was laid over every test image, and the model was asked again. What it then "
        "decides otherwise, it decides because of the mark alone. A mark sways the model where it "
        f"pushes decisions one way in {percent(LEAST)} of images or more, for certain (the 95 % "
        "interval of the shift lies beyond, and McNemar's test by Holm is below 0.05), and "
        f"strongly where it turns, for certain, {percent(MOST)} or more of what it can turn. A "
        "network can be swayed by what it never saw, too: read the marks beside each other."
    )
    if len(it.classes) == 2:
        yield Picture(
            pictures.marks_picture(it.effects),
            alt="Shift of decisions by each mark; the numbers are in the table.",
            caption=f"Above 0: the mark turns decisions to {one}; below 0: to {zero}.",
        )
    else:
        yield Text("Of more than two classes, any change of the decision counts as the one way.")
    rows = [
        (
            effect.mark,
            f"{percent(effect.changed)} {interval(effect.changed_low, effect.changed_high)}",
            f"{effect.towards} / {effect.away}" if len(it.classes) == 2 else "",
            f"{share(effect.turned)} {interval(effect.turned_low, effect.turned_high)}",
            _seen(it, effect.mark),
            "strongly" if effect.strong else "some" if effect.sways else "no",
        )
        for effect in it.effects
    ]
    head = ("mark", "decisions changed", "to 1 / to 0", "of what it can turn", "shown by maps",
            "sways")  # fmt: skip
    yield Table(
        head,
        tuple(rows),
        f"1 is “{one}”. "
        * (len(it.classes) == 2)
        + "Shown by maps: of the highest pixels of maps of marked images, the share "
        "that lies on the mark, for the explainer that shows most, beside the mark's share of the "
        f"image. {it.effects[0].n:,} images, each without and with the mark. "
        f"“{PLAIN}” covers what the watermark covers, and says nothing.",
    )


def _seen(it: Audited, mark: str) -> str:
    found = it.of_maps(BY + mark, "top_fraction")
    real = {name: one.value for name, one in found.items() if not it.is_control(name)}
    real = {name: value for name, value in real.items() if not np.isnan(value)}
    if not real:
        return "missing"
    if it.region_share(BY + mark) > WIDE:
        return "it is everywhere"
    best = max(real, key=lambda name: real[name])
    return f"{share(real[best])} of {share(it.region_share(BY + mark))} ({best})"


def _unsaid(it: Audited) -> Iterator[str]:
    task = _task(it.plan)
    yield (
        f"Whether the model uses {task.protected} itself. Nobody can change it in these "
        "photographs and leave all else as it is: that groups differ in their numbers is an "
        "association."
    )
    if it.region is None:
        yield (
            "Whether the model looks where the protected attribute is to be seen: no region was "
            "named (--roi)."
        )
    yield (
        "That a model which no mark sways has no shortcut. Other marks, and the same ones drawn "
        "otherwise, were not tried."
        if it.effects
        else "What sways the model: no mark was laid over the images."
    )
    if it.effects and not set(FACE_MARKS) & set(it.marks):
        yield "What glasses, hats or neckties do: they were not drawn (--faces)."
    yield (
        "That a clean map means a clean model. Of debiased models whose maps hardly show a "
        "shortcut, a third to a half still relied on it (docs/yardstick.md)."
    )
    if few := _few(it):
        yield (
            f"Much of groups with fewer than {FEW} images of a class: {_listed(few)}. Their "
            "intervals are wide."
        )
    yield (
        "How the model does on other images. These are "
        f"{len(it.own):,} images as they were given, and their labels are taken for true."
    )
    yield "How another training of the same recipe would do: this is one network."


def _few(it: Audited) -> list[str]:
    counts = it.own.groupby(["protected", "target"]).size().unstack(fill_value=0)
    counts = counts.reindex(range(len(it.groups)), fill_value=0)
    lowest = counts.reindex(columns=range(len(it.classes)), fill_value=0).min(axis=1)
    return [it.groups[number] for number in np.flatnonzero(lowest < FEW)]


def _listed(names: list[str], most: int = 12) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
