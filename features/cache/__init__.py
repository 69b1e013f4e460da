"""The HDF5 file that keeps what a backbone saw: rows, their keys, the journal, upkeep."""
