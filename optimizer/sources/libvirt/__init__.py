"""Hypervisors that are reached by libvirt: which there are, how they are asked, what they say of their domains.

The source (an inventory as a snapshot) and the driver (which migrates) both read through this room. Every call has a
deadline. May not enter: migrating anything, deciding anything.
"""
