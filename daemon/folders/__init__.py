"""The folders of the service: every move, copy and removal of a file happens here."""
