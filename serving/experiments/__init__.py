"""Experiments: arms, their split, what came of them, and the guard that stops one."""
