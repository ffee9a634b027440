"""Training a network, its predictions and decisions."""
