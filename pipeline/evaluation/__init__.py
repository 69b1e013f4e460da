"""How far a score can be trusted: intervals, comparisons in pairs, and the price of choosing."""
