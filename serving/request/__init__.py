"""What a request must contain, and how it is checked."""
