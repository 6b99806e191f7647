"""A Proxmox VE cluster, read by its HTTP API: how it is reached, what it answers, what that means as a fleet.

It only reads (GET). May not enter: migrating anything, deciding anything.
"""
