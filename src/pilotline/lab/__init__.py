"""What one does beside a notebook: lift and prove, read, land."""
