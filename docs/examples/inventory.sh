#!/bin/sh
# Prints a snapshot as it is now: here the one of inventory-now.json, with the time of this moment.
exec sed "s/NOW/$(date -u +%Y-%m-%dT%H:%M:%SZ)/" inventory-now.json
