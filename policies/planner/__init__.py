"""The plan of the day ahead, and the clearing of a step."""
