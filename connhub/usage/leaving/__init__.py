"""Off-boarding: what somebody who leaves would leave behind, and what is done about it."""
