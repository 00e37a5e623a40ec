"""The OpenAPI document of the API: its paths by hand from the contract, its schemas from the structs of `schemas/`.

Terms. An *operation* is a method of a route: what it takes and what it answers. A *schema* says what stands in the
envelope; `components.py` generates them. A *subject* is a module with its operations (`paths()`), which have its name
as their tag; `document.py` puts the subjects together.

The paths are not generated from the handlers, because their framework would describe errors of its own shape and none
of the headers. `tests/web/api/test_openapi.py` holds the two together: the same routes, and every answer fits its
schema.
"""
