"""The OpenAPI document of the API, written out by hand from the contract.

Terms. An *operation* is a method of a route: what it takes and what it answers. A *schema* says what stands in the
envelope. A *subject* is a module with its operations (`paths()`) and the schemas that they name (`SCHEMAS`);
`document.py` puts the subjects together.

Not generated from the handlers, because their framework would describe errors of its own shape and none of the
headers. `tests/web/api/test_openapi.py` holds the two together: the same routes, and every answer fits its schema.
"""
