"""Explainers on networks of timm's, whose blocks are other classes than torchvision's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lrp_networks import generator
from rightreasons.models.classifier import Classifier
from rightreasons.saliency import EXPLAINERS

pytest.importorskip("timm")


#: Small networks, and what is changed of timm's.
NETWORKS: dict[str, dict[str, object]] = {
    "test_vit3": {"img_size": 64},
    "test_convnext": {},
    "test_efficientnet": {},
    "test_resnet": {},
    "test_nfnet": {},  # standardised weights, steps in place
    "tf_mobilenetv3_small_075": {},  # TensorFlow's padding
    "convnextv2_atto": {"depths": (1,) * 4, "dims": (8,) * 4},  # response norms
    "vit_tiny_patch16_224": {"norm_layer": "rmsnorm", "img_size": 64, "depth": 2},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_relevance_and_differences_are_complete_on_timms_networks(name: str) -> None:
    import timm

    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = timm.create_model(name, num_classes=0, **NETWORKS[name])
        width = trunk.eval()(torch.zeros(1, 3, 64, 64)).shape[1]
        model = Classifier(trunk, nn.Linear(width, 2)).double().eval()
        nn.init.normal_(model.head.weight)
        for key, tensor in model.named_parameters():
            if key.endswith("grn.weight"):
                nn.init.normal_(tensor)  # 0 before training
            if key.endswith(("bias", "cls_token", "pos_embed", "reg_token")):
                nn.init.zeros_(tensor)
    x = torch.randn(1, 3, 64, 64, generator=generator()).double()
    classes = torch.tensor([1])
    logit = model(x)[0, 1].detach()
    for explainer, params in (("lrp", {"composite": "epsilon", "epsilon": 1e-9}), ("deeplift", {})):
        chosen = EXPLAINERS[explainer]
        with chosen.run(model, chosen.params(**params), generator()) as run:
            found = run(x, classes)
        assert found.error[0] < (1e-4 if explainer == "lrp" else 1e-9), explainer
        if explainer == "lrp":
            torch.testing.assert_close(found.maps.sum(), logit, rtol=1e-4, atol=1e-9)


def test_a_norm_with_an_activation_in_it_is_two_steps() -> None:
    from timm.layers import BatchNormAct2d

    from rightreasons.saliency._attention import expand

    norm = BatchNormAct2d(4)
    for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        nn.init.uniform_(tensor, 0.5, 1.5)
    network = nn.Sequential(nn.Conv2d(3, 4, 1), norm).eval()
    x = torch.randn(2, 3, 5, 5, generator=generator())
    expected = network(x).detach()
    expand(network)
    assert [type(part).__name__ for part in network[1]] == ["BatchNorm2d", "Identity", "ReLU"]
    torch.testing.assert_close(network(x), expected)
