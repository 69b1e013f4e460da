"""Several machines through Dask: a connection, and photographs dealt to workers as shards."""
