"""Natural photographs: benchmark folders (Set5, ...) and general pre-training. What a split may not cut is a picture."""
