"""What a machine needs: where a team's files are, a private Redis, Java, ports, files written whole."""
