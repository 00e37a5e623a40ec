"""Real database servers for tests: the machine's own, or Debian's packages, fetched and unpacked, never installed."""
