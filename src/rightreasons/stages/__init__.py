"""The stages, a module each: the typed description of a job, and the function that does it.

`study.plan` makes the descriptions; the scripts in `workflow_scripts/` hand them over. Nothing slow
is imported here at module level, as planning imports every description.
"""
