"""Maps of a small vision transformer by `lxt`, which patches torchvision for good: its own process.

Called with a file of {state, images, classes} and one for the maps.
"""

from __future__ import annotations

import sys

import torch
from torchvision.models import VisionTransformer, vision_transformer

SHAPE = (32, 8, 2, 2, 16, 32)


def main() -> None:
    from lxt.efficient import monkey_patch
    from lxt.efficient.models.vit_torch import cp_LRP

    given = torch.load(sys.argv[1], weights_only=True)
    network = VisionTransformer(*SHAPE, num_classes=2).eval()
    network.load_state_dict(given["state"])
    monkey_patch(vision_transformer, cp_LRP)
    images = given["images"].requires_grad_()
    outputs = network(images)
    outputs.gather(1, given["classes"][:, None]).sum().backward()
    torch.save((images * images.grad).sum(1).detach(), sys.argv[2])


if __name__ == "__main__":
    main()
