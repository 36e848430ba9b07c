"""The runs that benchmarks/training_step.py measures."""
