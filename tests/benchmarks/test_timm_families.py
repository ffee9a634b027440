"""What the trial of timm's networks says of networks of which it is known."""

from __future__ import annotations

import pytest

pytest.importorskip("timm")


@pytest.mark.parametrize(
    ("name", "outcome", "more"),
    [
        ("test_resnet", "explained", "lrp off by"),
        ("test_efficientnet_evos", "no rule", "there is no rule for var in trunk.bn1"),
        ("test_vit2", "not traced", "the network cannot be traced"),
        ("repvit_m1", "no linear head", "ends in RepVitClassifier"),
    ],
)
def test_what_becomes_of_a_network(name: str, outcome: str, more: str) -> None:
    from benchmarks.timm_families import tried

    found, why = tried(name)
    assert found == outcome
    assert more in why
