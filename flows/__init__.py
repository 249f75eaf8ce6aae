"""Prefect flows, MLflow tracking and registry, and the command line: the library's schedule, not the library.

Read `pipeline.py` first: it is the order of the stages. Nothing heavy is imported here.
"""
