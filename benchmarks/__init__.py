"""What is measured rather than tested: cost, speed, memory. One command each."""
