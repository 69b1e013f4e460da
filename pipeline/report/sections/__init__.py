"""The sections of a report: each module takes a typed input and gives one `Section`, or None."""
