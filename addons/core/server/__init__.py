"""What this port serves itself: admission, routing of requests, and the local endpoints."""
