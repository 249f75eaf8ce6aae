"""The report: an evaluation and its pictures as one HTML file that can be mailed.

`content` is what goes in, `pictures` turns arrays into PNG, `charts` figures into SVG, `tables` records into rows, and
`html.build_report` writes the page.
"""
