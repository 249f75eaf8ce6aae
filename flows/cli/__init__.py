"""The `sr` command, one file a group of commands. Modules import what is heavy inside functions, so that `sr --help` is quick."""
