"""Models: cards, weights, and one adapter per family."""
