"""Decisions over data: retention, the plan's limits, cron expressions. `overdue` also raises the event it decides on.

Terms
-----
*Rule*: what an application's settings keep. *Cap*: what the account's plan allows. *Decision*: if one backup stays,
with its *reasons*. *Run*: a time that a cron expression names; *due*: that time with the application's jitter.
*Overdue*: without a good backup for longer than the schedule allows.
"""
