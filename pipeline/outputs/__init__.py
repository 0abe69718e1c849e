"""What a delivery is made of: data, rejects, changes, report, descriptor."""
