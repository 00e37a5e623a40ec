"""The schemas: every object that the API, `--json` and webhooks show, as a struct, one module a noun;
`commands` has the answers of commands alone.

Terms. A *shown* struct is an object of an answer: its fields stand in it in the order in which programs read them, and
nothing else names a field of an answer. A *body* is an object that a request brings. Functions named `..._of` make a
shown struct of a record of the catalog; where an operation's own value is shown, `service/` makes the struct.

OpenAPI's schemas are generated from these structs; what a type cannot say stands in its `Meta`. Of a body only the
types are checked by decoding: limits stand in `extra_json_schema`, and `service/` refuses what breaks them, in its own
words.
"""
