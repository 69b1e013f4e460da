"""Say how far a score can be trusted: intervals, comparisons, and the price of choosing."""
