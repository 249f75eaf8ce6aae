"""Trust: how far an upscaled image can be believed, computed and said in words.

`verdict` holds the records (claim, check, verdict) and the evidence that checks look at; `claim` computes a claim's
level and its text; `calibration` turns held-out groups into an interval; `consistency` measures agreement with the LR
measurement; `checks` are those that hold for every domain; `interval` measures intervals where the truth is known;
`faults` are planted on purpose, and `faultbench` counts which check catches them.
`hallucination` and `texture` measure what an output invents, `hallucination_truth`, `planted` and `created` against the truth.
Import from the modules: this file stays empty so that the records cost no numerical imports.
"""
