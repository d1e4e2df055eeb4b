"""Where labels come from: choosing frames, writing inputs, computing them here, reading them back."""
