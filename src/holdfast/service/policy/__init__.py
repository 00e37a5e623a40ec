"""Pure decisions over data: retention, limits, cron, overdue."""
