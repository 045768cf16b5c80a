"""The libraries people use, inside Trio, each with its real counterpart."""
