"""Training a model's weights further: one loop for all families, on flat batches.

`settings` what is minimised and how; `targets` labels beside prepared graphs; `alignment` the zero of
energy; `loss` energies, forces and stresses against labels; `parameters` and `lowrank` what each method
trains; `loop` the epochs; `checkpoint` going on after an interruption; `fit` all of it, with what the
model was like before and after.
"""
