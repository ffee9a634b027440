"""DeepLIFT on a network: its gradient is then multipliers of differences (`_difference_rules`)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from rightreasons.models.classifier import Grouped
from rightreasons.saliency import _token_rules
from rightreasons.saliency._attention import Attend, Unit
from rightreasons.saliency._difference_rules import (
    Activated,
    Batch,
    Divided,
    LogSumExp,
    MaxPooled,
    Multiplied,
    Normalised,
    Rectified,
    Responses,
    Softmax,
    standardised,
)
from rightreasons.saliency._passes import pulled_back
from rightreasons.saliency._steps import (
    ACTIVATING_FUNCTIONS,
    ADVICE,
    MAX_POOLS,
    POOLING_FUNCTIONS,
    RECTIFYING_FUNCTIONS,
    SOFTMAXES,
    factors,
    has_rule,
    is_linear,
    module_at,
    put_module,
    refuse_other_steps,
    values,
)
from rightreasons.saliency._timm_steps import ResponseNorm
from rightreasons.saliency._token_rules import Function
from rightreasons.saliency._trace import trace

if TYPE_CHECKING:
    from rightreasons.models.classifier import Classifier

LEAST_LENGTH = 1e-12  # what F.normalize divides by at least


VALUE = object()  # among the arguments of a step: a value of the image


class DifferencesNetwork:
    """A copy of a network, the same function, whose gradient is DeepLIFT's multipliers.

    Parameters
    ----------
    model
        The network. UserError is raised for a step without a rule, for forward hooks, for an
        intervention that is not affine, and where the network cannot be traced.
    """

    def __init__(self, model: Classifier) -> None:
        graph = trace(model, "deeplift", ADVICE)
        of_image = values(graph)
        refuse_other_steps(
            graph,
            lambda node, module: (
                is_linear(graph, node, of_image) or has_rule(node, module, of_image)
            ),
            "deeplift",
            ADVICE,
        )
        self.batch = Batch()
        for node in list(graph.graph.nodes):
            ends = node.op in ("placeholder", "output")
            if node in of_image and not ends and not is_linear(graph, node, of_image):
                _put_rule(graph, node, of_image, self.batch)
        graph.delete_all_unused_submodules()
        graph.recompile()
        self.graph = graph

    def share_out(
        self, inputs: torch.Tensor, baseline: torch.Tensor, classes: torch.Tensor
    ) -> torch.Tensor:
        """Return the contributions (N, 3, H, W) to the logits' differences to the baseline's.

        N images and their one baseline (1, 3, H, W) go through together.
        """
        self.batch.size = len(inputs) + 1
        with torch.enable_grad():
            together = torch.cat([inputs, baseline]).detach().requires_grad_()
            logits = self.graph(together)
        asked = F.one_hot(classes, logits.shape[1])
        m = pulled_back(logits, together, F.pad(asked, (0, 0, 0, 1)))
        return m[:-1] * (inputs - baseline)


def _put_rule(graph: fx.GraphModule, node: fx.Node, of_image: set[fx.Node], batch: Batch) -> None:
    """Make a step that is not linear one with a rule."""
    module = module_at(graph, node)
    if isinstance(module, Attend):
        module.matmul, module.softmax = Multiplied(batch, torch.matmul), Softmax(batch)
    elif isinstance(module, ResponseNorm):
        module.product = Multiplied(batch, torch.mul)
        module.response = Responses(batch, module.places, module.channels, module.eps)
    elif module is not None:
        put_module(graph, node, _of_module(module, batch))
    elif node.target in _token_rules.NORMS:  # weights may be steps: they stay arguments
        put_module(graph, node, Normalised(batch, _token_rules.NORMS[node.target]))
    else:
        rule = _of_function(node, of_image, batch)
        node.args, node.kwargs = tuple(factors(node, of_image)), {}
        put_module(graph, node, rule)


def _of_module(module: nn.Module, batch: Batch) -> nn.Module:
    """Return a module with its rule."""
    if isinstance(module, nn.ReLU):
        return Rectified(batch)
    if isinstance(module, MAX_POOLS):
        pool = copy.copy(module)
        pool.return_indices = True
        return MaxPooled(batch, pool)
    if isinstance(module, nn.Softmax):
        return Softmax(batch, -1 if module.dim is None else module.dim)
    if isinstance(module, Unit):
        return Divided(batch, (-1,), LEAST_LENGTH, unit=True)
    if isinstance(module, Grouped):
        return LogSumExp(batch, module)
    return _token_rules.norm(module, partial(standardised, batch)) or Activated(batch, module)


def _of_function(node: fx.Node, of_image: set[fx.Node], batch: Batch) -> nn.Module:
    """Return a function or method of one or two values of the image with its rule."""
    rest: tuple[Any, ...] = node.args[1:]
    told: dict[str, Any] = dict(node.kwargs)
    if node.target in RECTIFYING_FUNCTIONS:
        return Rectified(batch)
    if node.target in POOLING_FUNCTIONS:
        return MaxPooled(batch, Function(node.target, rest, {**told, "return_indices": True}))
    if node.target in SOFTMAXES:
        return Softmax(batch, told.get("dim", rest[0] if rest else -1))
    if node.target in ACTIVATING_FUNCTIONS:
        return Activated(batch, Function(node.target, rest, told))
    return Multiplied(batch, _product(node))


def _product(node: fx.Node) -> Callable[..., torch.Tensor]:
    """Return a step's product of two values; an equation is an argument beside them."""
    name = node.target
    given = [VALUE if isinstance(a, fx.Node) else a for a in node.args]

    def product(*parts: torch.Tensor) -> torch.Tensor:
        left = iter(parts)
        args = [next(left) if a is VALUE else a for a in given]
        return getattr(args[0], name)(*args[1:]) if isinstance(name, str) else name(*args)

    return product
