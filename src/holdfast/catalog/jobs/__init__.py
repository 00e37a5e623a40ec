"""Jobs and schedules as rows, and all work in one list."""
