"""Medical: single-frame CT and MR slices and series in, derived DICOM with a map of half-widths out.

A group is a patient, known by a pseudonym only. Nothing here prints, records or logs the text of an attribute.
"""
