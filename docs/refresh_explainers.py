"""The matrix of explainers.md: what each explainer says of each network, tried here and now.

python docs/refresh_explainers.py              print it
python docs/refresh_explainers.py --write      put it into explainers.md

Networks have random weights, and batch norm the statistics of noise images; all is in float64. What
is compared with is written in explainer_references.py. About 15 minutes on one core.
"""

from __future__ import annotations

import re
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import torch
from explainer_references import REFERENCES
from torch import nn

from rightreasons.core.errors import UserError
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier
from rightreasons.saliency import EXPLAINERS, _conv_rules, _general_rules

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/helpers"))
from tiny_networks import ADDED, settle

#: Why explainers refuse networks: by reason and explainer, the networks.
Reasons = dict[str, dict[str, list[str]]]
PAGE = Path(__file__).parent / "explainers.md"
MARKED = re.compile(r"(<!-- matrix -->\n).*?(<!-- end -->)", re.S)
LARGE = 224
#: Networks, and the side of their images where it is not 64 pixels.
NETWORKS = {
    **dict.fromkeys(("small_cnn", "small_vit", "small_convnext", "resnet18", "densenet121"), 64),
    "inception_v3": 96,
    **dict.fromkeys(("regnet_y_400mf", "mobilenet_v2", "mobilenet_v3_small"), 64),
    **dict.fromkeys(("efficientnet_b0", "convnext_tiny", "swin_t"), 64),
    **dict.fromkeys(("vit_b_16", "maxvit_t"), LARGE),
}
#: Parameters with which each is tried: those of its reference, or quick ones.
PARAMS: dict[str, dict[str, Any]] = {
    "integrated_gradients": {"steps": 8},
    "occlusion": {"grid": 8},
    "lrp": {"composite": "epsilon_plus"},
    "smoothgrad": {"samples": 2},
}
#: Explainers whose maps have a sum to keep. Of integrated gradients the sum is a quadrature's.
SUMS = {"lrp": "conservation", "deeplift": "completeness"}
EQUAL, KEPT = 1e-4, 1e-4
#: LRP's and zennit's stabilisers are not at the same places: 1e-6 of a value each, many times over.
NEARLY = 1e-2


def network(architecture: str, side: int, *, added: bool = True) -> Classifier:
    """Return a network with random weights; without biases where nothing is `added`."""
    model = build_classifier(architecture, seed=1).double().eval()
    with torch.random.fork_rng():
        torch.manual_seed(2)
        nn.init.normal_(model.head.weight, std=0.1)
        for name, tensor in model.named_parameters():
            if name.endswith("bias") or name.rpartition(".")[2] in ADDED:
                nn.init.normal_(tensor, std=0.1) if added else nn.init.zeros_(tensor)
        settle(model, torch.randn(8, 3, side, side).double(), added)
    return model


def maps(name: str, model: Classifier, images: torch.Tensor, classes: torch.Tensor) -> Any:
    """Return what an explainer says, with its parameters of the matrix."""
    explainer = EXPLAINERS[name]
    params = explainer.params(**{**explainer.traits["small"], **PARAMS.get(name, {})})
    stream = torch.Generator().manual_seed(0)
    with explainer.run(model, params, stream) as run:
        return run(images, classes)


@contextmanager
def fine_stabilisers() -> Iterator[None]:
    """Let LRP push values away from 0 by 1e-9 in place of 1e-6, which float64 allows."""
    modules = (_conv_rules, _general_rules)
    PARAMS["lrp"]["epsilon"] = 1e-9
    for module in modules:
        module.STABILIZER = 1e-9
    try:
        yield
    finally:
        del PARAMS["lrp"]["epsilon"]
        for module in modules:
            module.STABILIZER = 1e-6


def cell(name: str, architecture: str, side: int, reasons: Reasons) -> str:
    """Return one cell: what is found, or R for a refusal, whose reason is noted."""
    stream = torch.Generator().manual_seed(3)
    many = 1 if side == LARGE else 2
    images = torch.randn(many, 3, side, side, generator=stream).double()
    classes = torch.tensor([0, 1])[:many]
    try:
        found = maps(name, network(architecture, side), images, classes)
    except UserError as error:
        why = str(error).partition(". ")[0].removeprefix(f"{name}: ")
        reasons.setdefault(why, {}).setdefault(name, []).append(architecture)
        return "R"
    assert found.maps.isfinite().all(), (name, architecture)
    signs = []
    if name in REFERENCES:
        expected = REFERENCES[name](network(architecture, side), images, classes)
        if expected is not None:
            off = (found.maps - expected).flatten(1).norm(dim=1) / expected.flatten(1).norm(dim=1)
            bound = NEARLY if name == "lrp" else EQUAL
            signs.append("=" if off.max() < bound else f"differs by {off.max():.0e}")
    if name == "lrp":
        model = network(architecture, side, added=False)
        with fine_stabilisers():
            found = maps(name, model, images, classes)
    if name in SUMS:
        signs.append("Σ" if found.error.max() < KEPT else f"Σ off by {found.error.max():.0e}")
    return " ".join(signs) or "·"


def matrix(networks: dict[str, int], explainers: list[str]) -> str:
    """Return the table in Markdown, with the reasons of refusals below."""
    columns: dict[str, list[str]] = {name: [] for name in explainers}
    reasons: Reasons = {}
    for architecture, side in networks.items():
        begun = time.time()
        for name in explainers:
            columns[name].append(cell(name, architecture, side, reasons))
        row = [columns[name][-1] for name in explainers]
        print(f"{architecture}: {row}, {time.time() - begun:.0f} s", file=sys.stderr)
    return table(list(networks), columns, reasons)


def table(networks: list[str], columns: dict[str, list[str]], reasons: Reasons) -> str:
    """Return the matrix in Markdown; explainers of which the same is said share a column.

    A column is called by a letter, and what it stands for is said first.
    """
    shared: dict[tuple[str, ...], list[str]] = {}
    for name, cells in columns.items():
        shared.setdefault(tuple(cells), []).append(f"`{name}`")
    letters = [f"**{letter}**" for letter, _ in zip(ascii_uppercase, shared, strict=False)]
    lines = [
        f"- {letter}: {', '.join(names)}"
        for letter, names in zip(letters, shared.values(), strict=True)
    ]
    head = ["network", *letters]
    lines += ["", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for architecture, *cells in zip(networks, *shared, strict=True):
        lines.append("| " + " | ".join([f"`{architecture}`", *cells]) + " |")
    of_networks: dict[tuple[str, ...], list[str]] = {}
    for why, refused in reasons.items():
        for name, of in refused.items():
            of_networks.setdefault((why, *of), []).append(f"`{name}`")
    lines += ["", "Why R:", ""]
    for (why, *of), names in of_networks.items():
        lines.append(f"- {', '.join(names)}: {why} ({', '.join(of)}).")
    return "\n".join(lines)


def main() -> None:
    """Print the matrix, or put it into the page."""
    warnings.simplefilter("ignore")
    arguments = [one for one in sys.argv[1:] if one != "--write"]
    networks = {name: NETWORKS[name] for name in arguments} if arguments else NETWORKS
    names = [one.name for one in EXPLAINERS if not one.traits["control"]]
    made = matrix(networks, names)
    if "--write" not in sys.argv:
        print(made)
        return
    PAGE.write_text(MARKED.sub(lambda m: f"{m[1]}{made}\n{m[2]}", PAGE.read_text()))


if __name__ == "__main__":
    main()
