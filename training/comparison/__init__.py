"""Holds a challenger against the champion on days that neither was trained on."""
