"""What every room uses: files, text, errors, the system."""
