"""Cases from public reports, each run through the real engine with the row that its user would write."""
