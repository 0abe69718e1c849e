"""What lies in the inbox: what belongs together, what is finished, what is still missing."""
