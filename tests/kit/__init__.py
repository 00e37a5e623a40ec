"""What tests share: worlds to run in, servers, archives, faults, golden data."""
