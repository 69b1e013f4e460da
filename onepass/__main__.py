"""`python -m onepass`: the command line, where the script `onepass` is not on the path."""

from cli import main

main()
