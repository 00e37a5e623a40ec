"""Taking a backup: the source, the run, hooks, ignore patterns, imports, schedules, the log.

Terms
-----
*Take*: make a backup of an application, from its request to its end. *Origin*: why it was taken (manual, scheduled,
imported, safety). *Source*: the application's folder, or an imported archive. *Hook*: the operator's command before or
after the copy. *Tick*: the periodic task that queues what is due. *Log*: the lines that a backup keeps about itself; a
*private* line is shown to the operator only.
"""
