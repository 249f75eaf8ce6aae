"""Faces: pictures in, pictures of the same format out, labelled as enhanced.

A group is a person, known by a pseudonym only. No face model is used here: sizes and splits go by pictures and folders,
and identity is reported as not checked.
"""
