"""Users' hooks: loads their files, and runs them in threads of their own."""
