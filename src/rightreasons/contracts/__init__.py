"""What every component owes, as tests that run over components from anywhere.

    rightreasons contracts my_method.py         # what a file, folder (mine/) or module registers
    rightreasons contracts                      # what installed plug-ins register
    pytest --pyargs rightreasons.contracts      # the same
    rightreasons contracts --all                # all that is registered

The test files need pytest, and nothing else that the suite itself does not need.
"""
