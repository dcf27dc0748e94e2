"""The tiered room: a hot and a warm store behind one seam, view by view."""
