"""A fitted model as a folder: saved, checked, asked for verdicts, evaluated."""
