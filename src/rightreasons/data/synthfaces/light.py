"""One key light and ambient light, the same for every part of a portrait."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


class Light:
    """Lambertian light; a surface that faces the viewer gets about 1."""

    def __init__(self, latents: Any) -> None:
        azimuth, elevation = latents.light_azimuth, latents.light_elevation
        self.x = math.sin(azimuth) * math.cos(elevation)
        self.y = -math.sin(elevation)
        self.z = math.cos(azimuth) * math.cos(elevation)
        self.strength = latents.light_strength
        self.ambient = 0.98 - 0.9 * self.strength * max(self.z, 0.55)

    def on_slopes(self, slope_x: np.ndarray, slope_y: np.ndarray) -> np.ndarray:
        """Light on a surface with the slopes of its height, towards the viewer, over x and y."""
        facing = self.z - self.x * slope_x
        facing -= self.y * slope_y
        facing /= np.sqrt(slope_x * slope_x + slope_y * slope_y + 1)
        np.maximum(facing, 0, out=facing)
        facing *= self.strength
        facing += self.ambient
        return facing

    def on_height(self, height: np.ndarray, px: float) -> np.ndarray:
        """Return the light on a surface from its height above the picture, in the unit of `px`."""
        slope_x, slope_y = np.zeros_like(height), np.zeros_like(height)
        half = 0.5 / px
        slope_x[:, 1:-1] = (height[:, 2:] - height[:, :-2]) * half
        slope_y[1:-1] = (height[2:] - height[:-2]) * half
        return self.on_slopes(slope_x, slope_y)

    def on_round(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Light on a ball whose outline is u^2 + v^2 = 1; outside as on its rim."""
        depth = np.sqrt(np.maximum(1 - u * u - v * v, 0.06))
        return self.on_slopes(-u / depth, -v / depth)
