"""Bank-balanced pruning in PyTorch, and the recipes made with it. See README.md."""
