"""What-if answers beside Ganeti's programs for the same questions, on the same fleets in one run."""
