"""The cache room: rows that were read a moment ago, in this process, in front of any reader."""
