"""Show where a model looks: which cells of the cached map speak for a defect."""
