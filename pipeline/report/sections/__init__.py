"""The sections of a report: each module takes a typed input and gives one `Section`, or None.

One module a section, also where it is short.
"""
