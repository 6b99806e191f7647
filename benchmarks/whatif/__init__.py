"""What-if answers beside other programs for the same questions, on the same fleets in one run."""
