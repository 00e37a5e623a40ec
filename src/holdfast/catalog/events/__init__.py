"""Events, who is notified of them, deliveries, and counters that only grow."""
