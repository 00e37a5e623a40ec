"""HTTP alone: requests, the envelope, errors, ETags, ranges, pages, uploads. It knows no backup."""
