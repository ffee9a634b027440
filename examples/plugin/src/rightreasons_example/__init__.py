"""Components for Right Reasons: `pyproject.toml` says which module registers which."""
