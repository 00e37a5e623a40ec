"""Languages: the texts of pages, dates and numbers, as whoever reads them would write them.

Terms
-----
*Message*: a text in English with named placeholders, which is its own key in a catalogue. *Catalogue*: the messages of
one language, from `languages/<tag>/*.po`, compiled when Holdfast is built. *Patterns*: how a language writes dates,
spans, numbers and lists, taken from CLDR at the same time. *Tag*: the name of a language, as BCP 47 has it: `pt-BR`.

A language is spoken for the time of a request (`texts.speaking`); outside of one everything is English, so that the
API, commands, logs and whatever is stored stay as they are.
"""
