"""At the line: what a person corrects, what to label next, drift, a watched folder, new limits."""
