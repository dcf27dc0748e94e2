"""The commands of the Makefile, one file each: they wire the programs together."""
