"""How agents learn: the training loop and its stages."""
