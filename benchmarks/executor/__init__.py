"""How long plans take on links that copies share, and what the executor itself costs."""
