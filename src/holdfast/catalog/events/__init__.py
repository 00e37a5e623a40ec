"""Events, who is notified of them, deliveries, and counters that only grow.

Terms
-----
*Event*: something that happened, recorded in the same transaction. *Endpoint*: a webhook or an Apprise URL that is told
of events. *Delivery*: one event on its way to one endpoint. *Counter*: a count since the instance was made.
"""
