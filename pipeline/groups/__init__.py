"""Say which photographs show one physical part: said by a person, or found in the photographs.

What names and times say, in the order in which it is read:

- `file_names` parses each name once into times (`times_in_names`), days, numbers and words;
- `capture_times` puts photographs on a `timeline` by EXIF or name, `streams` gives each camera a
  line of its own; where gaps are of two kinds a line is cut into runs;
- `readings` chooses between runs in time, fields of names and counters, which `reading` weighs;
  `evidence` asks the pixels whether they agree, `doubts` whether a part may be several, or a piece.

`propose` adds `copies_by_name`, and near copies by `similarity` and `changed_copies`; `joining`
makes groups of all, and `proposal` holds them. What a person says is in `rules`.
"""
