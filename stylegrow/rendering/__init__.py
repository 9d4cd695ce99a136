"""Images to files: grids, figures, videos, growth."""
