"""What a backup holds: its entries, in blocks, under one root."""
