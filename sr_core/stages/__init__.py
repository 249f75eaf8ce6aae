"""The stages: ingest, prepare, train, calibrate, evaluate, gate, package, upscale; one file and one public function each.

`regions` makes measurements, `restore` runs a bundle, `evidence` puts together what the checks look at: what several stages share.
"""
