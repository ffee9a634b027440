"""What a network with ImageNet weights expects of its input."""

from __future__ import annotations

#: Mean and standard deviation of ImageNet's red, green and blue, in [0, 1] (torchvision's).
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
