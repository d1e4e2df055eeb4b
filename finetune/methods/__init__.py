"""The methods of this package, each a class of `umlip_bench.finetune.method.Method`."""
