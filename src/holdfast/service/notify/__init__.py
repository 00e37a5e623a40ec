"""Notices: endpoints, the messages of events, and how they are sent.

Terms
-----
*Endpoint*: a webhook or an apprise URL, of an account or of the operator. *Delivery*: one event on its way to one
endpoint. *Message*: the text that people get. *Body*: what a delivery sends, the same at every attempt. *Dispatch*:
claim the deliveries that are due and send them. *Egress*: the rules for the addresses that may be connected to.
"""
