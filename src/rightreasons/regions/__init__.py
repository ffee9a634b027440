"""Regions: where in the image a patch classifier finds an attribute, and maps made from that."""
