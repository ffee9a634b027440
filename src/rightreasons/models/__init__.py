"""Models: trunk -> intervention -> head, built from torchvision or from the suite's own CNN."""
