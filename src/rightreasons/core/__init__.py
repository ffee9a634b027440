"""What everything else stands on: errors, registries, seeds, files."""
