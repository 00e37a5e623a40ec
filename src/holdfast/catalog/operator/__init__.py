"""Queries of the operator's pages over the whole instance: a fixed number of queries, however many rows there are."""
