"""Jobs of any kind: requesting, running, cancelling and recovering them, and what is reported of them."""
