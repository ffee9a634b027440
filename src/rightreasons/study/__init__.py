"""A study's config, its grid of cells and its plan."""
