"""`genesis benchmark`: targets x inits x backbones x label fractions x seeds as one plan (docs/benchmark.md)."""
