"""Rivals: where they come from, what they are told, how they are run, and the judge of what they answer.

What runs in a rival's own interpreter stands in `drivers`, and uses nothing of this project.
"""
